package e2e

import (
	"encoding/csv"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/qfpay-worker/qfpay-worker/internal/redistest"
	"github.com/qfpay-worker/qfpay-worker/tasks"
)

var awaitedOrders = flag.Int("await.orders", 150, "rows of the file in TestAwait_KilledCommandGoesOnToTheSameFile")

// A command and a worker that are killed in the middle leave no file under the final name. Two commands that go on at
// once, and one that runs again after them, give the same file, with the result of each order in its row.
func TestAwait_KilledCommandGoesOnToTheSameFile(t *testing.T) {
	t.Parallel()
	redis, gateway := redistest.Start(t), startGateway(t, "--per-second=0", "--per-minute=0")
	work := settings(redis, gateway, rightKey, "QFPAY_PER_SECOND=40", "QFPAY_PER_MINUTE=0", "QFPAY_TIMEOUT=1s")
	w := startQuick(t, work)
	name, orders := sampleFile(t, *awaitedOrders)
	file, err := os.OpenFile(name, os.O_APPEND|os.O_WRONLY, 0)
	redistest.OK(t, err)
	_, err = file.WriteString("BROKEN,800101,1.50,HKD,\n")
	redistest.OK(t, err)
	redistest.OK(t, file.Close())
	target := filepath.Join(t.TempDir(), "results.csv")
	wait := func() *process {
		return start(t, []string{"REDIS_URL=" + redis.URL}, "qfpay-worker", "enqueue", "--wait", "--results", target, name)
	}

	killed, rdb := wait(), redis.Client(t)
	eventually(t, "some orders have their result", patience, func() bool {
		return rdb.XLen(t.Context(), keys.Results()).Val() >= 20
	})
	redistest.OK(t, w.cmd.Process.Kill()) // so that the command cannot end before it is killed
	redistest.OK(t, killed.cmd.Process.Kill())
	killed.wait(t)
	if text, err := os.ReadFile(target); err == nil {
		t.Errorf("a killed command left %d bytes", len(text))
	}
	two := []*process{wait(), wait()}
	startQuick(t, work)
	var texts []string
	for _, p := range append(two, wait()) {
		select {
		case <-p.ended:
		case <-time.After(2*patience + time.Duration(*awaitedOrders)*time.Second/16): // 32 orders a second
		}
		if code := p.wait(t); code != 2 || !strings.HasSuffix(p.out.text(), fmt.Sprintf("\ncreated=%d rejected=0 expired=0 unresolved=0 cancelled=0 invalid=1\n", len(orders))) {
			t.Errorf("ended with %d, %q", code, p.out.text())
		}
		text, err := os.ReadFile(target)
		redistest.OK(t, err)
		texts = append(texts, string(text))
	}
	if texts[1] != texts[0] || texts[2] != texts[0] {
		t.Error("the files differ")
	}
	checkResultsFile(t, texts[0], orders, results(t, redis))
	checkBooks(t, orders, results(t, redis), gateway.orders(t))
}

// checkResultsFile compares a file of results, row by row, with the orders and the stream.
func checkResultsFile(t *testing.T, text string, orders []wanted, published []tasks.Result) {
	t.Helper()
	records, err := csv.NewReader(strings.NewReader(text)).ReadAll()
	redistest.OK(t, err)
	of := map[string]tasks.Result{}
	for _, r := range published {
		of[r.OutTradeNo] = r
	}
	if len(records) != len(orders)+2 || records[len(orders)+1][0] != "BROKEN" || records[len(orders)+1][10] == "" {
		t.Fatalf("%d rows for %d orders and a broken row", len(records)-1, len(orders))
	}
	for i, o := range orders {
		row, r := records[i+1], of[o.outTradeNo]
		// after the five columns of the file: outcome, qrcode, qr_expires_at, syssn, respcd, reason
		if row[0] != o.outTradeNo || row[2] != o.txAmt || row[5] != "created" || row[6] != r.QRCode || row[6] == "" || row[8] != r.Syssn || row[9] != "0000" {
			t.Errorf("row %d is %q, want %+v", i+1, row, r)
		}
	}
}
