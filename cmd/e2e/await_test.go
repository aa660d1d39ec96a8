package e2e

import (
	"encoding/csv"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/qfpay-worker/qfpay-worker/internal/redistest"
	"github.com/qfpay-worker/qfpay-worker/tasks"
)

// A command that is killed in the middle leaves no file under the final name. Two commands that go on at
// once, and one that runs again after them, give the same file, with the result of each order in its row.
func TestAwait_KilledCommandGoesOnToTheSameFile(t *testing.T) {
	t.Parallel()
	redis, gateway := redistest.Start(t), startGateway(t)
	w := startWorker(t, settings(redis, gateway, rightKey, "QFPAY_PER_SECOND=40"))
	name, orders := sampleFile(t, 150)
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
		return rdb.XLen(t.Context(), tasks.Keys{Prefix: tasks.DefaultPrefix}.Results()).Val() >= 20
	})
	redistest.OK(t, w.cmd.Process.Signal(syscall.SIGSTOP)) // so that the command cannot end before it is killed
	redistest.OK(t, killed.cmd.Process.Kill())
	killed.wait(t)
	if text, err := os.ReadFile(target); err == nil {
		t.Errorf("a killed command left %d bytes", len(text))
	}
	two := []*process{wait(), wait()}
	redistest.OK(t, w.cmd.Process.Signal(syscall.SIGCONT))
	var texts []string
	for _, p := range append(two, wait()) {
		if code := p.wait(t); code != 2 || !strings.HasSuffix(p.out.text(), "\ncreated=150 rejected=0 expired=0 unresolved=0 cancelled=0 invalid=1\n") {
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
