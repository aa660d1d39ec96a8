//go:build payments

package e2e

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/qfpay-worker/qfpay-worker/internal/redistest"
	"github.com/qfpay-worker/qfpay-worker/qfpay"
	"github.com/qfpay-worker/qfpay-worker/qfpay/simulator"
	"github.com/qfpay-worker/qfpay-worker/tasks"
)

var paymentCodes = flag.Int("chaos.codes", 1000, "codes of TestChaosPayments; each lives for five minutes, so it has a build tag of its own")

// TestChaosPayments_EveryCodeHasOneTrueEvent publishes codes, of which customers pay 60 %. A fifth of
// the notifications is lost, a tenth comes twice or late, some are forged, and workers are killed all the
// time. In the end each code has one final event, and it is what the simulator's books say.
func TestChaosPayments_EveryCodeHasOneTrueEvent(t *testing.T) {
	const workers = 3
	var addresses []string
	for range workers {
		addresses = append(addresses, freeAddress(t))
	}
	front := newFront(t, addresses)
	server := redistest.Start(t, "--appendonly", "yes", "--appendfsync", "everysec")
	rdb := server.Client(t)
	g := startGateway(t, "--pay", "0.6", "--pay-after", "1s-60s", "--notify-url", front.URL+"/qfpay/notify/default", "--seed", "1",
		"--fault", "notify_lost=0.2,notify_twice=0.05,notify_late=0.05,notify_forged=0.02")
	f := &fleet{t: t, program: "qfpay-worker", args: []string{"run"}, slots: make([]*process, workers),
		settings: settings(server, g, rightKey, "WORKER_PAYMENTS=on", "QFPAY_TIMEOUT=2s")}
	t.Cleanup(f.finish)
	for i := range f.slots {
		f.start(i, "WORKER_NOTIFY_ADDR="+addresses[i])
	}
	orders := make([]tasks.Order, *paymentCodes)
	for i := range orders {
		orders[i] = tasks.Order{Order: qfpay.Order{OutTradeNo: fmt.Sprint("P", i), PayType: qfpay.AlipayHK, TxAmt: int64(100 + i), TxCurrCd: "HKD", ExpiredTime: 5}}.WithDefaults(time.Now())
	}
	_, err := tasks.NewProducer(rdb, keys).EnqueueAll(t.Context(), orders)
	redistest.OK(t, err)

	kills, luck := 0, rand.New(rand.NewPCG(1, 3))
	attack := time.NewTicker(3 * time.Second)
	defer attack.Stop()
	for end := time.Now().Add(time.Hour); !allEnded(t, rdb, *paymentCodes); {
		if time.Now().After(end) {
			t.Fatalf("%d events for %d codes", rdb.XLen(t.Context(), keys.Payments()).Val(), *paymentCodes)
		}
		<-attack.C
		slot := luck.IntN(workers)
		f.slots[slot].cmd.Process.Kill()
		f.retire(slot)
		f.start(slot, "WORKER_NOTIFY_ADDR="+addresses[slot])
		kills++
	}
	f.stopAll()
	comparePayments(t, rdb, g, front, kills)
}

// allEnded reports whether there are as many final events as codes.
func allEnded(t *testing.T, rdb redis.UniversalClient, codes int) bool {
	t.Helper()
	n := 0
	for _, e := range paymentsOf(t, rdb) {
		if tasks.PaymentEvent(e.Payment.Event).Final() {
			n++
		}
	}
	return n >= codes
}

func paymentsOf(t *testing.T, rdb redis.UniversalClient) []tasks.PaymentEntry {
	t.Helper()
	all, err := tasks.NewPayments(rdb, keys).Read(t.Context(), "", 1_000_000)
	redistest.OK(t, err)
	return all
}

// comparePayments compares the events with the results and the simulator's books, and prints the figures.
func comparePayments(t *testing.T, rdb redis.UniversalClient, g *gateway, front *front, kills int) {
	t.Helper()
	books := map[string]simulator.Order{}
	for _, o := range g.orders(t) {
		if o.OrderType == "payment" {
			books[o.OutTradeNo] = o
		}
	}
	final, became := map[string]int{}, map[string]int{}
	var notified, asked []time.Duration
	for _, e := range paymentsOf(t, rdb) {
		p := e.Payment
		if e.Err != nil || !tasks.PaymentEvent(p.Event).Final() {
			t.Errorf("an event that nothing has caused: %+v", e)
			continue
		}
		final[p.OrderID()]++
		became[p.Event]++
		o := books[p.IssuedAs]
		if paid := o.State == simulator.Paid; paid != (p.Event == string(tasks.Paid)) || p.Event == string(tasks.Closed) || paid && p.Syssn != o.Syssn {
			t.Errorf("%s is %q in the books (%s), and its event is %s (%s, seen by %s)", p.IssuedAs, o.State, o.Syssn, p.Event, p.Syssn, p.SeenBy)
		}
		if p.Event != string(tasks.Paid) {
			continue
		}
		ms, _, _ := strings.Cut(e.StreamID, "-")
		at, err := strconv.ParseInt(ms, 10, 64)
		redistest.OK(t, err)
		if p.SeenBy == tasks.ByNotification {
			notified = append(notified, time.UnixMilli(at).Sub(front.first(p.IssuedAs)))
			continue
		}
		paidAt, err := qfpay.ParseDateTime(o.PayDtm)
		redistest.OK(t, err)
		asked = append(asked, time.UnixMilli(at).Sub(paidAt))
	}
	created := 0
	entries, err := tasks.NewResults(rdb, keys).Read(t.Context(), "", 1_000_000)
	redistest.OK(t, err)
	for _, e := range entries {
		if e.Result.Outcome != string(tasks.Created) {
			continue
		}
		if created++; final[e.Result.OrderID()] != 1 {
			t.Errorf("%s has %d final events", e.Result.OrderID(), final[e.Result.OrderID()])
		}
	}
	queries := 0
	for _, c := range g.calls(t) {
		if c.Endpoint == "query" {
			queries++
		}
	}
	t.Logf("\ncodes                              %d, %d SIGKILLs\nevents                             %v\nqueries per code                   %.2f (%d)\n"+
		"notification to event, p50 and p99 %s %s (%d)\npayment to event without one       %s %s (%d)",
		created, kills, became, float64(queries)/float64(max(created, 1)), queries,
		share(notified, .5), share(notified, .99), len(notified), share(asked, .5), share(asked, .99), len(asked))
}

// share returns the value below which a share of all lies.
func share(all []time.Duration, q float64) time.Duration {
	if len(all) == 0 {
		return 0
	}
	slices.Sort(all)
	return all[min(int(q*float64(len(all))), len(all)-1)].Round(time.Millisecond)
}

// front stands before the workers as a load balancer does, and notes when a notification came first.
type front struct {
	*httptest.Server
	mu   sync.Mutex
	came map[string]time.Time // by order number
}

func newFront(t *testing.T, addresses []string) *front {
	f := &front{came: map[string]time.Time{}}
	f.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		f.note(body, r.Header.Get("X-QF-SIGN"))
		for _, i := range rand.Perm(len(addresses)) {
			again, err := http.NewRequestWithContext(r.Context(), r.Method, "http://"+addresses[i]+r.URL.Path, bytes.NewReader(body))
			if err != nil {
				continue
			}
			again.Header = r.Header.Clone()
			if answer, err := web.Do(again); err == nil {
				text, _ := io.ReadAll(answer.Body)
				answer.Body.Close()
				w.WriteHeader(answer.StatusCode)
				w.Write(text)
				return
			}
		}
		w.WriteHeader(http.StatusBadGateway)
	}))
	t.Cleanup(f.Close)
	return f
}

// note keeps when the first notification about an order came that was not forged.
func (f *front) note(body []byte, signature string) {
	var n struct {
		OutTradeNo string `json:"out_trade_no"`
	}
	if json.Unmarshal(body, &n) != nil || !qfpay.VerifyNotification(body, signature, rightKey) {
		return
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.came[n.OutTradeNo].IsZero() {
		f.came[n.OutTradeNo] = time.Now()
	}
}

func (f *front) first(number string) time.Time {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.came[number]
}
