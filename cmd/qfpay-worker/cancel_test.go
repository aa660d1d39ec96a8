package main

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/qfpay-worker/qfpay-worker/internal/redistest"
	"github.com/qfpay-worker/qfpay-worker/tasks"
)

// cancelledBatch accepts n orders of a batch.
func cancelledBatch(t *testing.T, rdb *redis.Client, name string, n int) {
	t.Helper()
	orders := make([]tasks.Order, n)
	for i := range orders {
		orders[i].Merchant, orders[i].Batch = "default", name
		orders[i].OutTradeNo, orders[i].PayType, orders[i].TxAmt, orders[i].TxCurrCd = fmt.Sprintf("%s-%05d", name, i), "800101", 2500, "HKD"
	}
	if _, err := tasks.NewProducer(rdb, tasks.Keys{Prefix: "{qfpay}"}).EnqueueAll(t.Context(), orders); err != nil {
		t.Fatal(err)
	}
}

func TestOrderCancel_SaysWhatBecameOfEach(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	rdb := server.Client(t)
	for _, number := range []string{"NEW1", "NEW2", "SENT1"} {
		journal(t, rdb, "default:"+number)
	}
	set(t, rdb, "default:SENT1", "state", "SENT", "creates_sent", 1, "reissues", 0, "attempts", 1)
	for outcome, number := range map[string]string{"rejected": "R1", "unresolved": "U1"} {
		r := unresolved(number)
		r.Outcome = outcome
		settledOrder(t, rdb, r)
	}
	settledOrder(t, rdb, result("PUB1"))
	settledOrder(t, rdb, result("PAID1"))
	set(t, rdb, "default:PAID1", "close_asked_at", 1, "closed", "paid", "closed_at", 1772337605000)
	env := []string{"REDIS_URL=" + server.URL}
	got := commandWith(t.Context(), strings.NewReader("NEW2\n\n"), env, "order", "cancel", "--wait=0s", "NEW1", "-", "SENT1", "R1", "U1", "PUB1", "PAID1", "NOBODY")
	want := strings.Join([]string{
		"default:NEW1  cancelled",
		"default:NEW2  cancelled",
		"default:R1  refused       default:R1 cannot be cancelled: it has ended as rejected already, and no QR code of it was published",
		"default:U1  refused       default:U1 cannot be cancelled: it has ended unresolved: QFPay may hold it, and its QR code is lost; look at it with order show, and query or close it at QFPay",
		"default:PAID1  paid",
		"default:NOBODY  refused       default:NOBODY: no such order",
		"default:SENT1  asked",
		"default:PUB1  closing",
		"cancelled=2 asked=1 closing=1 paid=1 refused=3",
		"",
	}, "\n")
	if got.out != want || got.code != exitInput || got.err != "qfpay-worker: not cancelled: 4\n" {
		t.Errorf("exit code %d, %q\n%s\nwant\n%s", got.code, got.err, got.out, want)
	}
	again := command(t, env, "order", "cancel", "NEW1", "NEW2")
	if again.code != exitDone || !strings.HasSuffix(again.out, "cancelled=2\n") {
		t.Errorf("cancelled already: %+v", again)
	}
	if other := command(t, env, "order", "cancel", "--merchant=other", "SENT1"); other.code != exitInput || !strings.Contains(other.out, "no such order") {
		t.Errorf("of another merchant: %+v", other)
	}
	if shown := command(t, env, "order", "show", "PAID1"); !strings.Contains(shown.out, "close ended   2026-03-01T04:00:05.000Z, paid\n") {
		t.Errorf("%+v", shown)
	}
	if retried := command(t, env, "order", "retry", "NEW1"); retried.code != exitDone {
		t.Errorf("a person may try it again: %+v", retried)
	}
}

// Waiting orders of a batch end without a call, and other batches stay as they are.
func TestBatchCancel_EndsTheWaitingOrders(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	rdb := server.Client(t)
	const n = 1000
	cancelledBatch(t, rdb, "run-1", n)
	cancelledBatch(t, rdb, "run-2", 3)
	began := time.Now()
	got := command(t, []string{"REDIS_URL=" + server.URL}, "batch", "cancel", "run-1")
	t.Logf("%d orders in %s", n, time.Since(began))
	if got.code != exitDone || got.out != fmt.Sprintf("cancelled=%d\n", n) {
		t.Errorf("%+v", got)
	}
	counters := rdb.HGetAll(t.Context(), "{qfpay}:batch:run-1").Val()
	if counters["waiting"] != "0" || counters["cancelled"] != fmt.Sprint(n) {
		t.Errorf("%v", counters)
	}
	if due, results := rdb.ZCard(t.Context(), "{qfpay}:due").Val(), rdb.XLen(t.Context(), "{qfpay}:results").Val(); due != 3 || results != n {
		t.Errorf("%d are due, %d results", due, results)
	}
	if audit := command(t, []string{"REDIS_URL=" + server.URL}, "audit"); audit.code != exitDone {
		t.Errorf("%+v", audit)
	}
	if nobody := command(t, []string{"REDIS_URL=" + server.URL}, "batch", "cancel", "no-such"); nobody.code != exitInput {
		t.Errorf("a batch that is not there: %+v", nobody)
	}
}
