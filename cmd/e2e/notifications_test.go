package e2e

import (
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/qfpay-worker/qfpay-worker/internal/redistest"
	"github.com/qfpay-worker/qfpay-worker/qfpay"
	"github.com/qfpay-worker/qfpay-worker/tasks"
)

// TestNotifications_ThePaymentStreamHasOnlyWhatWasProved has a Python program, which was written from QFPay's
// documents alone, notify a worker of a published order in every way, true and false. What it may have
// believed of it is read through each door.
func TestNotifications_ThePaymentStreamHasOnlyWhatWasProved(t *testing.T) {
	t.Parallel()
	const token = "5f0c9ad27be1846350d9c2e71ab4f836"
	redis, address, pages, file := redistest.Start(t), freeAddress(t), freeAddress(t), filepath.Join(t.TempDir(), "token")
	redistest.OK(t, os.WriteFile(file, []byte(token), 0o600))
	w := startWorker(t, settings(redis, startGateway(t), rightKey, "WORKER_PAYMENTS=on", "WORKER_NOTIFY_ADDR="+address,
		"WORKER_HTTP_ADDR="+pages, "WORKER_API_ADDR=127.0.0.1:0", "WORKER_API_TOKEN_FILE="+file))
	rdb := redis.Client(t)
	for _, number := range []string{"N1", "N2"} { // N2 is nobody's
		_, err := tasks.NewProducer(rdb, keys).Enqueue(t.Context(), tasks.Order{Order: qfpay.Order{OutTradeNo: number, PayType: qfpay.AlipayHK, TxAmt: 2500, TxCurrCd: "HKD"}})
		redistest.OK(t, err)
	}
	eventually(t, "both codes are published", patience, func() bool { return rdb.ZCard(t.Context(), keys.Open("default")).Val() == 2 })

	client := exec.CommandContext(t.Context(), "python3", "../internal/notify/testdata/client.py", address, "default", rightKey, "N1", "2500", "HKD")
	said, err := client.CombinedOutput()
	if err != nil || !strings.Contains(string(said), `"what": "payment after its refund", "status": 200`) {
		t.Fatalf("%v\n%s", err, said)
	}
	if !strings.Contains(string(said), `"what": "refund before the payment", "status": 404`) {
		t.Errorf("a refund was believed of what was not paid:\n%s", said)
	}

	var events []string
	entries, err := tasks.NewPayments(rdb, keys).Read(t.Context(), "", 100)
	redistest.OK(t, err)
	for _, e := range entries {
		events = append(events, e.Payment.ID+" "+e.Payment.SeenBy+" "+e.Payment.Syssn)
	}
	want := []string{"default:N1:paid notification 20260301000200020000000002", "default:N1:refunded notification 20260301000200020000000011"}
	if d := cmp.Diff(want, events); d != "" {
		t.Errorf("the payment stream:\n%s\n%s", d, said)
	}

	env := []string{"REDIS_URL=" + redis.URL}
	printed := start(t, env, "qfpay-worker", "payments", "--format", "json")
	if code := printed.wait(t); code != 0 || strings.Count(printed.out.text(), "\n") != 2 {
		t.Errorf("payments: %d\n%s", code, printed.out.text())
	}
	_, log, _ := strings.Cut(w.err.text(), "taking orders over HTTP")
	_, api, _ := cut(log, `"addr":"`, `"`)
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+api+"/v1/payments?after=0", nil)
	redistest.OK(t, err)
	request.Header.Set("Authorization", "Bearer "+token)
	answer, err := web.Do(request)
	redistest.OK(t, err)
	defer answer.Body.Close()
	if feed, err := io.ReadAll(answer.Body); err != nil || answer.StatusCode != http.StatusOK || strings.Count(string(feed), "\n") != 2 {
		t.Errorf("the feed: %s %v\n%s", answer.Status, err, feed)
	}
	for args, want := range map[string]string{
		"order list --payment paid": "N1", "order list --payment open": "N2", "order show N1": "paid", "audit": "payments=2 batches=0 moving=0 broken=0",
	} {
		p := start(t, env, "qfpay-worker", strings.Fields(args)...)
		if code := p.wait(t); code != 0 || !strings.Contains(p.out.text(), want) {
			t.Errorf("%s: %d\n%s%s", args, code, p.out.text(), p.err.text())
		}
	}
	_, page := get(t, "http://"+pages+"/metrics")
	for _, line := range []string{`result="recorded"} 2`, `result="untrusted"} 0`, `result="failed"} 0`, `result="mismatch"} 5`} {
		if !slices.ContainsFunc(strings.Split(page, "\n"), func(l string) bool {
			return strings.HasPrefix(l, "qfpay_notifications_total") && strings.HasSuffix(l, line)
		}) {
			t.Errorf("no %s in\n%s", line, page)
		}
	}
	w.shutDown(t, 10*time.Second)
}
