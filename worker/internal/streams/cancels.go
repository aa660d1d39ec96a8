package streams

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"sync"

	"github.com/redis/go-redis/v9"

	"github.com/qfpay-worker/qfpay-worker/tasks"
	"github.com/qfpay-worker/qfpay-worker/worker/event"
	"github.com/qfpay-worker/qfpay-worker/worker/internal/timing"
	"github.com/qfpay-worker/qfpay-worker/worker/internal/wait"
)

// cancelBatch is how many requests to cancel are read, and carried out, at once.
const cancelBatch = 100

// Cancels carries out the requests to cancel an order that producers in any language put on the cancel
// stream. A request is removed when the order is cancelled or the workers are asked to, or when the dead
// letter is written that says why it cannot be. Until then it is pending in the group. To cancel twice is harmless.
type Cancels struct {
	turns
	config Config
	cancel Cancel
}

// Cancel asks to cancel an order. refused says why it cannot be cancelled, for good; err is one of Redis.
type Cancel func(ctx context.Context, id string) (refused, err error)

// NewCancels makes the reader of the cancel stream.
func NewCancels(c Config, cancel Cancel) *Cancels {
	host, _ := os.Hostname() // only for people who look at the group, so it may be missing
	r := requestsOf(c, fmt.Sprintf("%s-%d-%s", host, os.Getpid(), rand.Text()[:8]))
	r.stream = c.Keys.Cancel()
	return &Cancels{turns: turns{requests: r, idle: timing.IntakeIdle, count: cancelBatch}, config: c, cancel: cancel}
}

// Run carries out requests until ctx ends.
func (c *Cancels) Run(ctx context.Context) {
	failing := false
	for wait.Sleep(ctx, wait.Jitter(timing.CancelsEvery)) == nil {
		n, err := cancelBatch, error(nil)
		for n == cancelBatch && err == nil && ctx.Err() == nil {
			n, err = c.round(ctx)
		}
		if err != nil && ctx.Err() == nil {
			c.failed()
			c.config.Observer.Observe(event.RedisFailed{Op: "cancel"})
			if !failing {
				c.config.Logger.Error("requests to cancel could not be carried out; trying again", "error", err)
			}
		}
		failing = err != nil
	}
	last, cancel := context.WithTimeout(context.WithoutCancel(ctx), timing.LastCommands)
	defer cancel()
	if err := c.forget(last, 2*timing.IntakeIdle, c.consumer); err != nil {
		c.config.Logger.Debug("the name of this consumer stays in the group for now", "error", err)
	}
}

// round carries out some requests, and returns how many were read.
func (c *Cancels) round(ctx context.Context) (int, error) {
	entries, err := c.next(ctx, func(ctx context.Context) ([]requestEntry, error) { return c.fresh(ctx, cancelBatch) })
	if err != nil || len(entries) == 0 {
		return 0, err
	}
	return len(entries), c.carryOut(ctx, entries)
}

// carryOut carries out requests, and removes those that are finished.
func (c *Cancels) carryOut(ctx context.Context, entries []requestEntry) error {
	refused, failed := make([]error, len(entries)), make([]error, len(entries))
	var working sync.WaitGroup
	for n, e := range entries {
		working.Go(func() {
			if refused[n] = e.refused(); refused[n] != nil || e.fields == nil {
				return
			}
			var id string
			if id, refused[n] = cancelID(e.fields); refused[n] == nil {
				refused[n], failed[n] = c.cancel(ctx, id)
			}
		})
	}
	working.Wait()
	var done []string
	var deadLetters []*redis.XAddArgs
	for n, e := range entries {
		if failed[n] != nil {
			continue
		}
		done = append(done, e.id)
		if refused[n] != nil {
			deadLetters = append(deadLetters, DeadLetter(c.config.Keys, e.id, refused[n], tasks.RequestText(e.fields)))
		}
	}
	return errors.Join(c.settle(ctx, done, deadLetters), errors.Join(failed...))
}

// cancelID returns the ID of the order that a request names.
func cancelID(fields []string) (string, error) {
	given := map[string]string{"merchant": tasks.DefaultMerchant}
	seen := map[string]bool{}
	for n := 0; n+1 < len(fields); n += 2 {
		switch name := fields[n]; {
		case name != "merchant" && name != "out_trade_no":
			return "", fmt.Errorf("a request to cancel has merchant and out_trade_no, not %.100q", name)
		case seen[name]:
			return "", fmt.Errorf("%s is there twice", name)
		default:
			seen[name], given[name] = true, fields[n+1]
		}
	}
	return tasks.ID(given["merchant"], given["out_trade_no"])
}
