package e2e

import (
	"strings"
	"testing"
	"time"

	"github.com/qfpay-worker/qfpay-worker/internal/redistest"
	"github.com/qfpay-worker/qfpay-worker/tasks"
)

// TestUpgrade_FieldsOfALaterVersionStay: after a rollback, journals have fields that the worker does
// not know. Their orders continue, and the fields are still there for the later version.
func TestUpgrade_FieldsOfALaterVersionStay(t *testing.T) {
	t.Parallel()
	redis := redistest.Start(t)
	gateway := startGateway(t)
	file, orders := sampleFile(t, 20)
	if code, line := enqueue(t, redis, file); code != 0 || line != counts(len(orders), 0, 0) {
		t.Fatalf("enqueue: ended with %d, %q", code, line)
	}
	rdb, keys := redis.Client(t), tasks.Keys{Prefix: tasks.DefaultPrefix}
	journals := rdb.Keys(t.Context(), keys.Order("*")).Val()
	if len(journals) != len(orders) {
		t.Fatalf("%d journals of %d orders", len(journals), len(orders))
	}
	for _, journal := range journals {
		rdb.HSet(t.Context(), journal, "of_a_later_version", "stays")
	}
	w := startWorker(t, settings(redis, gateway, rightKey))
	eventually(t, "every order has its result", patience, func() bool {
		return rdb.XLen(t.Context(), keys.Results()).Val() >= int64(len(orders))
	})
	checkBooks(t, orders, results(t, redis), gateway.orders(t))
	for _, journal := range journals {
		if got := rdb.HGet(t.Context(), journal, "of_a_later_version").Val(); got != "stays" {
			t.Errorf("%s: the field is %q", journal, got)
		}
	}
	w.shutDown(t, 30*time.Second)
	if strings.Contains(w.err.text(), `"level":"ERROR"`) {
		t.Error("the worker has logged an error")
	}
}
