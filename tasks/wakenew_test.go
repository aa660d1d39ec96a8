package tasks

import (
	"context"
	"errors"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/redis/go-redis/v9"

	"github.com/qfpay-worker/qfpay-worker/internal/redistest"
)

// trips counts the round trips to Redis, and can refuse what waking needs in a pipeline, as a
// server does that is one of several.
type trips struct {
	noWake // its DialHook
	n      int
	refuse bool
}

func (h *trips) ProcessHook(next redis.ProcessHook) redis.ProcessHook {
	return func(ctx context.Context, cmd redis.Cmder) error {
		h.n++
		return next(ctx, cmd)
	}
}

func (h *trips) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return func(ctx context.Context, cmds []redis.Cmder) error {
		h.n++
		if !h.refuse {
			return next(ctx, cmds)
		}
		err := next(ctx, slices.DeleteFunc(slices.Clone(cmds), wakes))
		for _, c := range cmds {
			if wakes(c) {
				c.SetErr(errors.New("CROSSSLOT Keys in request don't hash to the same slot"))
			}
		}
		return err
	}
}

func TestEnqueue_AnOrderIsAcceptedAndItsWorkerWokenInOneRoundTrip(t *testing.T) {
	t.Parallel()
	rdb := redistest.Start(t).Client(t)
	p, seen := NewProducer(rdb, keys), &trips{}
	must(p.Enqueue(t.Context(), numbered("A1"))) // the scripts are known from here on
	rdb.AddHook(seen)
	must(p.Enqueue(t.Context(), numbered("A2")))
	if seen.n != 1 {
		t.Errorf("%d round trips, want 1", seen.n)
	}
	if diff := cmp.Diff([]string{"default:A1", "default:A2"}, sorted(ids(pending(t, rdb, Bulk)))); diff != "" {
		t.Error(diff)
	}
}

func TestEnqueue_AServerThatIsOneOfSeveralHasItsWorkerWokenByAsynq(t *testing.T) {
	t.Parallel()
	rdb := redistest.Start(t).Client(t)
	rdb.AddHook(&trips{refuse: true})
	if got, err := NewProducer(rdb, keys).Enqueue(t.Context(), numbered("A1")); got != Enqueued || err != nil {
		t.Error(got, err)
	}
	if diff := cmp.Diff([]string{"default:A1"}, ids(pending(t, rdb, Bulk))); diff != "" {
		t.Error(diff)
	}
}

// A duplicate was woken when it was new, and an order that was not accepted must not be: a
// worker would take its task for an order.
func TestEnqueue_OnlyANewOrderHasItsWorkerWoken(t *testing.T) {
	t.Parallel()
	rdb := redistest.Start(t).Client(t)
	p := NewProducer(rdb, keys)
	must(p.Accept(t.Context(), numbered("A1")))
	if got, err := p.Enqueue(t.Context(), numbered("A1")); got != Duplicate || err != nil {
		t.Error(got, err)
	}
	other, conflict := numbered("A1"), (*ConflictError)(nil)
	other.TxAmt++
	if _, err := p.Enqueue(t.Context(), other); !errors.As(err, &conflict) {
		t.Error(err)
	}
	must(p.Accept(t.Context(), numbered("A2")))
	full := (*HighWaterError)(nil)
	if err := rdb.XAdd(t.Context(), &redis.XAddArgs{Stream: keys.Results(), Values: []string{"a", "b"}}).Err(); err != nil {
		t.Fatal(err)
	}
	if _, err := p.WithHighWater(1).Enqueue(t.Context(), numbered("A3")); !errors.As(err, &full) {
		t.Error(err)
	}
	if got := ids(pending(t, rdb, Bulk)); len(got) != 0 {
		t.Errorf("tasks of %v", got)
	}
}

func TestEnqueue_AServerThatKnowsOneOfTheScriptsIsGivenBoth(t *testing.T) {
	t.Parallel()
	rdb := redistest.Start(t).Client(t)
	p := NewProducer(rdb, keys)
	must(p.Accept(t.Context(), numbered("A1"))) // accept.lua is known
	if got, err := p.Enqueue(t.Context(), numbered("A2")); got != Enqueued || err != nil {
		t.Error(got, err)
	}
	if diff := cmp.Diff([]string{"default:A2"}, ids(pending(t, rdb, Bulk))); diff != "" {
		t.Error(diff)
	}
}

func sorted(all []string) []string { slices.Sort(all); return all }
