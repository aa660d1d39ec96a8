package tasks

import (
	"context"
	"crypto/rand"
	"strconv"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/qfpay-worker/qfpay-worker/internal/redistest"
)

// Each order counts once, in the batch with which it was accepted.
func TestAccept_CountsInBatches(t *testing.T) {
	t.Parallel()
	rdb := redistest.Start(t).Client(t)
	p := NewProducer(rdb, keys)
	orders := func(batch string, numbers ...string) (all []Order) {
		for _, number := range numbers {
			o := numbered(number)
			o.Batch = batch
			all = append(all, o)
		}
		return all
	}
	enqueue := func(orders ...Order) {
		t.Helper()
		if _, err := p.EnqueueAll(t.Context(), orders); err != nil {
			t.Fatal(err)
		}
	}
	counters := func(batch string) map[string]string {
		h := rdb.HGetAll(t.Context(), keys.Batch(batch)).Val()
		for field, value := range h {
			if ms, _ := strconv.ParseInt(value, 10, 64); ms > 1e12 {
				h[field] = "a time"
			}
		}
		return h
	}
	want := func(batch string, want map[string]string) {
		t.Helper()
		for _, field := range []string{"first_accepted_at", "last_accepted_at"} {
			want[field] = "a time"
		}
		if diff := cmp.Diff(want, counters(batch)); diff != "" {
			t.Errorf("batch %s:\n%s", batch, diff)
		}
	}
	first := orders("one", "A1", "A2", "A2")
	first[1].Lane = Interactive
	enqueue(append(first, orders("two", "B1")...)...)
	enqueue(orders("", "C1", "C2")...)
	const began = "1700000000000"
	rdb.HSet(t.Context(), keys.Batch("one"), "first_accepted_at", began, "last_accepted_at", began)
	later := orders("one", "A4")
	later[0].Merchant, later[0].NotBefore, later[0].Deadline = "other", time.Now().Add(time.Minute), time.Time{}
	changed := orders("two", "A2")
	changed[0].TxAmt++
	// Duplicates, also in another batch, and what is refused count nowhere.
	enqueue(append(append(append(orders("one", "A1", "A3"), later...), orders("two", "A1", "C1")...), changed...)...)
	want("one", map[string]string{"accepted": "4", "waiting": "4", "merchant:default": "3", "merchant:other": "1", "waiting:bulk:default": "2",
		"waiting:interactive:default": "1", "waiting:bulk:other": "1", "last_not_before": "a time"})
	want("two", map[string]string{"accepted": "1", "waiting": "1", "merchant:default": "1", "waiting:bulk:default": "1"})
	if at := rdb.HMGet(t.Context(), keys.Batch("one"), "first_accepted_at", "last_accepted_at").Val(); at[0] != began || at[1] == began {
		t.Errorf("began at %s, and that became %v", began, at)
	}

	// A call whose answer was lost is repeated.
	result := AcceptResult{}
	pending, err := pendingOrderOf(orders("three", "D1")[0].WithDefaults(time.Now()), earlyLook, &result)
	if err != nil {
		t.Fatal(err)
	}
	scriptKeys, args := p.acceptInput([]pendingOrder{pending}, rand.Text())
	rdb.HSet(t.Context(), keys.Batch("three"), "last_not_before", 5)
	rdb.Expire(t.Context(), keys.Batch("three"), time.Hour)
	for range 2 {
		if answer, err := acceptScript.Run(context.Background(), rdb, scriptKeys, args...).StringSlice(); err != nil || len(answer) != 1 {
			t.Fatal(answer, err)
		}
	}
	want("three", map[string]string{"accepted": "1", "waiting": "1", "merchant:default": "1", "waiting:bulk:default": "1", "last_not_before": "5"})
	if left := rdb.TTL(t.Context(), keys.Batch("three")).Val(); left != -1 {
		t.Errorf("a batch in which an order waits runs out in %v", left)
	}
}
