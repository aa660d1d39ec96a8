package tasks

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/qfpay-worker/qfpay-worker/internal/redistest"
	"github.com/qfpay-worker/qfpay-worker/qfpay"
)

func TestAccept_TheJournalIsWrittenAndNoWorkerIsWoken(t *testing.T) {
	t.Parallel()
	rdb := redistest.Start(t).Client(t)
	p := NewProducer(rdb, Keys{DefaultPrefix})
	o := Order{Order: qfpay.Order{OutTradeNo: "A1", PayType: qfpay.FPS, TxAmt: 100, TxCurrCd: "HKD"}}.WithDefaults(time.Now())
	for _, want := range []AcceptStatus{Enqueued, Duplicate} {
		if got, err := p.Accept(t.Context(), o); got != want || err != nil {
			t.Errorf("%s, %v; want %s", got, err, want)
		}
	}
	o.TxAmt++
	var conflict *ConflictError
	if _, err := p.Accept(t.Context(), o); !errors.As(err, &conflict) {
		t.Errorf("other content: %v", err)
	}
	if keys := rdb.Keys(t.Context(), "asynq:*").Val(); len(keys) != 0 {
		t.Errorf("a task was enqueued: %v", keys)
	}
}

// An invalid order also gets a journal, so that it can get a result.
func TestAcceptInvalid_ThePayloadIsKept(t *testing.T) {
	t.Parallel()
	rdb := redistest.Start(t).Client(t)
	k := Keys{DefaultPrefix}
	p := NewProducer(rdb, k)
	payload := []byte(`{"out_trade_no":"A1","txamt":"much","batch":"one"}`)
	for range 2 { // delivered twice
		if err := p.AcceptInvalid(t.Context(), "default:A1", payload, ""); err != nil {
			t.Fatal(err)
		}
	}
	if got := rdb.HGet(t.Context(), k.Order("default:A1"), "order").Val(); got != string(payload) {
		t.Errorf("the journal has %q", got)
	}
	if n := rdb.ZCard(t.Context(), k.Due()).Val(); n != 1 {
		t.Errorf("%d orders are due", n)
	}
	if n := rdb.HGet(t.Context(), k.Batch("one"), "waiting:bulk:default").Val(); n != "1" {
		t.Errorf("%s of its batch wait, want 1", n)
	}
	if err := p.AcceptInvalid(t.Context(), "default:A2", []byte(`{"out_trade_no":"A2","batch":"no {name}"}`), ""); err != nil {
		t.Error(err)
	}
	if names := rdb.Keys(t.Context(), k.Batch("*")).Val(); len(names) != 1 {
		t.Errorf("batches %q", names)
	}
}

// An answer of accept.lua that does not match the question is an error, and accepts nothing.
func TestAccept_AnAnswerThatDoesNotFitAcceptsNothing(t *testing.T) {
	for _, words := range [][]string{nil, {"3"}, {"2", "1"}, {"2", "0", "duplicate", "NEW"}, {"2", "3", "duplicate", "NEW"}, {"2", "x", "full", "1"}} {
		if answers, err := readAccept(words, 2); err == nil {
			t.Errorf("%q is read as %v", words, answers)
		}
	}
	answers, err := readAccept([]string{"2", "2", "duplicate", "SENT"}, 2)
	if err != nil || len(answers) != 1 || answers[1] != (acceptAnswer{"duplicate", "SENT"}) {
		t.Errorf("%v, %v", answers, err)
	}
}

func TestHighWater_NothingNewIsAcceptedAtTheMark(t *testing.T) {
	t.Parallel()
	rdb := redistest.Start(t).Client(t)
	p := NewProducer(rdb, keys).WithHighWater(3)
	fill := func() { rdb.XAdd(t.Context(), &redis.XAddArgs{Stream: keys.Results(), Values: []string{"v", "1"}}) }
	fill()
	fill()
	if got, err := p.Enqueue(t.Context(), numbered("A1")); got.Status != Enqueued || err != nil {
		t.Fatalf("below the mark: %+v, %v", got, err)
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
	if !errors.As(err, &full) || got[0].Status != Duplicate || !errors.As(got[1].Err, &full) {
		t.Errorf("%+v, %v: an existing order is still a duplicate", got, err)
	}
	var conflict *ConflictError
	if !errors.As(got[2].Err, &conflict) {
		t.Errorf("want a conflict, not %v", got[2].Err)
	}
	if n := rdb.ZCard(t.Context(), keys.Due()).Val(); n != 1 || len(pending(t, rdb, Bulk)) != 1 || rdb.Exists(t.Context(), keys.Order("default:A3")).Val() != 0 {
		t.Errorf("%d in due, or a task or journal was left behind", n)
	}
	if got, err := p.WithHighWater(0).Enqueue(t.Context(), numbered("A2")); got.Status != Enqueued || err != nil {
		t.Errorf("without a mark: %+v, %v", got, err)
	}
	rdb.XTrimMaxLen(t.Context(), keys.Results(), 2)
	if got, err := p.Enqueue(t.Context(), numbered("A3")); got.Status != Enqueued || err != nil {
		t.Errorf("below the mark again: %+v, %v", got, err)
	}
}

// If due or the stream has another type, nothing is written, not even a part.
func TestEnqueue_NoOrderIsAcceptedByHalves(t *testing.T) {
	t.Parallel()
	rdb := redistest.Start(t).Client(t)
	rdb.Set(t.Context(), keys.Due(), "x", 0)
	if _, err := NewProducer(rdb, keys).Enqueue(t.Context(), numbered("A1")); err == nil {
		t.Error("accepted although due is not a sorted set")
	}
	if n := rdb.Exists(t.Context(), keys.Order("default:A1")).Val(); n != 0 {
		t.Error("a journal was written for an order that is not in due")
	}
}
