package main

import (
	"strings"
	"testing"

	"github.com/redis/go-redis/v9"

	"github.com/qfpay-worker/qfpay-worker/internal/redistest"
	"github.com/qfpay-worker/qfpay-worker/tasks"
)

// The command prints payments as results does results, skips what is none, and acknowledges for a group.
func TestPayments_PrintsTheStream(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	rdb, keys := server.Client(t), tasks.Keys{Prefix: tasks.DefaultPrefix}
	p := tasks.Payment{V: "1", ID: "hotel:A1:paid", Merchant: "hotel", OutTradeNo: "A1", IssuedAs: "A1", Event: "paid", TxAmt: "2500", TxCurrCd: "HKD", SeenBy: tasks.ByNotification}
	redistest.OK(t, rdb.XAdd(t.Context(), &redis.XAddArgs{Stream: keys.Payments(), Values: p.Values()}).Err())
	redistest.OK(t, rdb.XAdd(t.Context(), &redis.XAddArgs{Stream: keys.Payments(), Values: []any{"v", "1"}}).Err())
	for _, c := range []struct{ args, want string }{
		{"payments", "hotel:A1"},
		{"payments --format json", `"event":"paid"`},
		{"payments --group g --consumer c", "2500 HKD"},
	} {
		got := commandWith(t.Context(), strings.NewReader(""), []string{"REDIS_URL=" + server.URL}, strings.Fields(c.args)...)
		if got.code != 0 || !strings.Contains(got.out, c.want) || !strings.Contains(got.err, "skipped an entry of the payment stream") {
			t.Errorf("%s: %+v", c.args, got)
		}
	}
	if n := rdb.XPending(t.Context(), keys.Payments(), "g").Val().Count; n != 0 {
		t.Errorf("%d are not acknowledged", n)
	}
}
