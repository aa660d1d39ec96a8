package streams

import (
	"strings"

	"github.com/redis/go-redis/v9"

	"github.com/qfpay-worker/qfpay-worker/tasks"
)

const (
	// maxRejected bounds the stream of rejected orders, which may have no reader.
	maxRejected = 100_000
	// keptBytes is what is kept of a text that is too long for an order. Nobody can correct and send it
	// again, so its beginning is enough to find its producer.
	keptBytes = 4 << 10
)

// DeadLetter is the entry that says why something was not accepted as an order. id is the
// ID of its entry in the request stream, empty for a task of asynq; order is the text that was
// sent. Of a text that is too long for an order, the beginning is kept.
func DeadLetter(keys tasks.Keys, id string, why error, order string) *redis.XAddArgs {
	if len(order) > tasks.MaxOrderBytes {
		order = strings.ToValidUTF8(order[:keptBytes], "\uFFFD") + "…"
	}
	return &redis.XAddArgs{
		Stream: keys.Rejected(),
		MaxLen: maxRejected,
		Approx: true,
		Values: []any{"id", id, "reason", why.Error(), "order", order},
	}
}
