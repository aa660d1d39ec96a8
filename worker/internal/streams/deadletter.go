package streams

import (
	"github.com/redis/go-redis/v9"

	"github.com/qfpay-worker/qfpay-worker/tasks"
)

// maxRejected bounds the stream of rejected orders, which may have no reader.
const maxRejected = 100_000

// DeadLetter is the entry that says why something was not accepted as an order. id is the
// ID of its entry in the request stream, empty for a task of asynq; order is the text that was
// sent.
func DeadLetter(keys tasks.Keys, id string, why error, order string) *redis.XAddArgs {
	return &redis.XAddArgs{
		Stream: keys.Rejected(),
		MaxLen: maxRejected,
		Approx: true,
		Values: []any{"id", id, "reason", why.Error(), "order", order},
	}
}
