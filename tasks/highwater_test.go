package tasks

import (
	"errors"
	"strings"
	"testing"

	"github.com/redis/go-redis/v9"

	"github.com/qfpay-worker/qfpay-worker/internal/redistest"
)

func TestHighWater_NothingNewIsAcceptedAtTheMark(t *testing.T) {
	t.Parallel()
	rdb := redistest.Start(t).Client(t)
	p := NewProducer(rdb, keys).WithHighWater(3)
	fill := func() { rdb.XAdd(t.Context(), &redis.XAddArgs{Stream: keys.Results(), Values: []string{"v", "1"}}) }
	fill()
	fill()
	if got, err := p.Enqueue(t.Context(), numbered("A1")); got != Enqueued || err != nil {
		t.Fatalf("below the mark: %q, %v", got, err)
	}
	fill()
	_, err := p.Enqueue(t.Context(), numbered("A2"))
	var full *HighWaterError
	if !errors.As(err, &full) || full.Length != "3" || !strings.Contains(err.Error(), "default:A2") {
		t.Fatalf("at the mark: %v", err)
	}
	changed := numbered("A1")
	changed.TxAmt++
	got, err := p.EnqueueAll(t.Context(), []Order{numbered("A1"), numbered("A3"), changed})
	if !errors.As(err, &full) || got[0].Acceptance != Duplicate || !errors.As(got[1].Err, &full) {
		t.Errorf("%+v, %v: what is there already is a duplicate all the same", got, err)
	}
	var conflict *ConflictError
	if !errors.As(got[2].Err, &conflict) {
		t.Errorf("a conflict is told all the same, not %v", got[2].Err)
	}
	if n := rdb.ZCard(t.Context(), keys.Due()).Val(); n != 1 || len(pending(t, rdb, Bulk)) != 1 || rdb.Exists(t.Context(), keys.Order("default:A3")).Val() != 0 {
		t.Errorf("%d in due, or a task or journal was left behind", n)
	}
	if got, err := p.WithHighWater(0).Enqueue(t.Context(), numbered("A2")); got != Enqueued || err != nil {
		t.Errorf("without a mark: %q, %v", got, err)
	}
	rdb.XTrimMaxLen(t.Context(), keys.Results(), 2)
	if got, err := p.Enqueue(t.Context(), numbered("A3")); got != Enqueued || err != nil {
		t.Errorf("below the mark again: %q, %v", got, err)
	}
}

// Due or the stream may have become something else: then nothing is written by halves.
func TestEnqueue_NoOrderIsAcceptedByHalves(t *testing.T) {
	t.Parallel()
	rdb := redistest.Start(t).Client(t)
	rdb.Set(t.Context(), keys.Due(), "x", 0)
	if _, err := NewProducer(rdb, keys).Enqueue(t.Context(), numbered("A1")); err == nil {
		t.Error("accepted without due")
	}
	if n := rdb.Exists(t.Context(), keys.Order("default:A1")).Val(); n != 0 {
		t.Error("a journal was written for an order that is not in due")
	}
}
