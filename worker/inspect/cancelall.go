package inspect

import (
	"context"
	"sync"

	"github.com/qfpay-worker/qfpay-worker/tasks"
)

// cancelAtOnce is how many orders are cancelled at once. Their scripts go to Redis together.
const cancelAtOnce = 1000

// CancelEach asks to cancel each of these orders, and tells each what came of it, in their sequence. An error about
// one order is told; one of Redis ends it.
func (i *Inspector) CancelEach(ctx context.Context, ids []string, each func(Cancellation, error) error) error {
	for len(ids) > 0 {
		some := ids[:min(len(ids), cancelAtOnce)]
		ids = ids[len(some):]
		all, errs := make([]Cancellation, len(some)), make([]error, len(some))
		var working sync.WaitGroup
		for n, id := range some {
			working.Go(func() { all[n], errs[n] = i.Cancel(ctx, id) })
		}
		working.Wait()
		for n := range some {
			all[n].ID = some[n]
			if err := errs[n]; err != nil && !IsNotCancelled(err) {
				return err
			}
			if err := each(all[n], errs[n]); err != nil {
				return err
			}
		}
	}
	return nil
}

// CancelBatch asks to cancel every order of a batch: first those without a result, then those whose QR code is published.
// It tells each what came of them, without those that somebody else, or this very call, has cancelled since they were
// listed: Redis lists an order twice while due shrinks. An order that is accepted meanwhile may be missed.
func (i *Inspector) CancelBatch(ctx context.Context, batch string, each func(Cancellation, error) error) error {
	tell := func(c Cancellation, err error) error {
		if c.Before {
			return nil
		}
		return each(c, err)
	}
	for _, f := range []Filter{{Batch: batch, States: Waiting()}, {Batch: batch, Outcomes: []tasks.Outcome{tasks.Created}}} {
		var ids []string
		flush := func() error {
			err := i.CancelEach(ctx, ids, tell)
			ids = ids[:0]
			return err
		}
		err := i.List(ctx, f, func(o Listed) error {
			if ids = append(ids, o.ID); len(ids) < cancelAtOnce {
				return nil
			}
			return flush()
		})
		if err == nil {
			err = flush()
		}
		if err != nil {
			return err
		}
	}
	return nil
}
