package worker

import (
	"github.com/redis/go-redis/v9"

	"github.com/qfpay-worker/qfpay-worker/tasks"
)

// mostRejected bounds the stream of refusals, which nobody may be reading.
const maxRejected = 100_000

// rejection is the entry that says why something was not accepted as an order. id is that
// of its entry in the request stream, empty for a task of asynq; order is what was sent.
func deadLetterEntry(keys tasks.Keys, id string, why error, order string) *redis.XAddArgs {
	return &redis.XAddArgs{
		Stream: keys.Rejected(),
		MaxLen: maxRejected,
		Approx: true,
		Values: []any{"id", id, "reason", why.Error(), "order", order},
	}
}
