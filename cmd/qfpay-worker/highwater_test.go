package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/qfpay-worker/qfpay-worker/internal/redistest"
	"github.com/qfpay-worker/qfpay-worker/tasks"
)

func TestEnqueue_StopsWhenTheResultStreamIsFull(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	server.Do(t, "xadd", tasks.Keys{Prefix: tasks.DefaultPrefix}.Results(), "*", "v", "1")
	orders := filepath.Join(t.TempDir(), "orders.csv")
	if err := os.WriteFile(orders, []byte("out_trade_no,pay_type,txamt,txcurrcd\nA1,802001,100,HKD\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	env := []string{"REDIS_URL=" + server.URL, "WORKER_RESULTS_HIGH_WATER=1"}
	got := command(t, env, "enqueue", orders)
	if got.code != exitOutside || !strings.Contains(got.out, "enqueued=0") ||
		!strings.Contains(got.err, "1 results are in the stream") || !strings.Contains(got.err, "XINFO GROUPS") || !strings.Contains(got.err, "Run it again") {
		t.Errorf("%+v", got)
	}
	server.Do(t, "xtrim", tasks.Keys{Prefix: tasks.DefaultPrefix}.Results(), "maxlen", 0)
	if got := command(t, env, "enqueue", orders); got.code != 0 || !strings.Contains(got.out, "enqueued=1") {
		t.Errorf("%+v", got)
	}
}
