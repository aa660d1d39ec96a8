//go:build payments

package e2e

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/qfpay-worker/qfpay-worker/internal/redistest"
	"github.com/qfpay-worker/qfpay-worker/qfpay"
	"github.com/qfpay-worker/qfpay-worker/tasks"
)

// paymentRun is a gateway whose customers pay, and workers that follow its codes.
type paymentRun struct {
	t         *testing.T
	rdb       *redis.Client
	gateway   *gateway
	front     *front
	fleet     *fleet
	addresses []string // of the workers' receivers
}

// startPayments starts workers for a gateway that allows so many calls a minute. A fifth of the
// notifications is lost, a tenth comes twice or late, and some are forged.
func startPayments(t *testing.T, workers, perMinute int, gatewayArgs ...string) *paymentRun {
	t.Helper()
	r := &paymentRun{t: t}
	for range workers {
		r.addresses = append(r.addresses, freeAddress(t))
	}
	r.front = newFront(t, r.addresses)
	server := redistest.Start(t, "--appendonly", "yes", "--appendfsync", "everysec")
	r.rdb = server.Client(t)
	limit := fmt.Sprint(perMinute)
	r.gateway = startGateway(t, append(gatewayArgs, "--per-minute", limit, "--notify-url", r.front.URL+"/qfpay/notify/default", "--seed", "1",
		"--fault", "notify_lost=0.2,notify_twice=0.05,notify_late=0.05,notify_forged=0.02,notify_cancel=0.3")...)
	r.fleet = &fleet{t: t, program: "qfpay-worker", args: []string{"run"}, slots: make([]*process, workers),
		settings: settings(server, r.gateway, rightKey, "WORKER_PAYMENTS=on", "QFPAY_TIMEOUT=2s", "QFPAY_PER_MINUTE="+limit)}
	t.Cleanup(r.fleet.finish)
	for slot := range r.fleet.slots {
		r.start(slot)
	}
	return r
}

func (r *paymentRun) start(slot int) { r.fleet.start(slot, "WORKER_NOTIFY_ADDR="+r.addresses[slot]) }

// kill ends a worker with SIGKILL and starts another.
func (r *paymentRun) kill(slot int) {
	r.fleet.slots[slot].cmd.Process.Kill()
	r.fleet.retire(slot)
	r.start(slot)
}

// enqueue enqueues orders.
func (r *paymentRun) enqueue(n int, order func(i int) qfpay.Order) {
	r.t.Helper()
	orders := make([]tasks.Order, n)
	for i := range orders {
		orders[i] = tasks.Order{Order: order(i)}.WithDefaults(time.Now())
	}
	_, err := tasks.NewProducer(r.rdb, keys).EnqueueAll(r.t.Context(), orders)
	redistest.OK(r.t, err)
}

// open returns how many codes are followed.
func (r *paymentRun) open() int64 { return r.rdb.ZCard(r.t.Context(), keys.Open("default")).Val() }

// audit ends the workers, and reads what there is.
func (r *paymentRun) audit() paymentAudit {
	r.t.Helper()
	r.front.shut()
	a := paymentAudit{now: time.Now()}
	r.fleet.stopAll()
	a.told = r.front.told
	results, err := tasks.NewResults(r.rdb, keys).Read(r.t.Context(), "", 1_000_000)
	redistest.OK(r.t, err)
	for _, e := range results {
		redistest.OK(r.t, e.Err)
		if e.Result.Outcome == string(tasks.Created) {
			a.published = append(a.published, e.Result)
		}
	}
	a.events, err = tasks.NewPayments(r.rdb, keys).Read(r.t.Context(), "", 1_000_000)
	redistest.OK(r.t, err)
	a.ledger = r.gateway.orders(r.t)
	return a
}

// report prints what was found, and fails the test if it is anything.
func (r *paymentRun) report(a paymentAudit, f paymentFigures) {
	r.t.Helper()
	found := a.violations()
	queries := 0
	for _, c := range r.gateway.calls(r.t) {
		if c.Endpoint == "query" {
			queries++
		}
	}
	r.t.Logf("\n%squeries per code                   %.2f (%d)\nviolations                         %d", f, float64(queries)/float64(max(len(a.published), 1)), queries, len(found))
	for i, v := range found {
		if r.t.Error(v); i == 20 {
			break
		}
	}
}

// front stands before the workers as a load balancer does, and keeps what came and how it was answered.
type front struct {
	*httptest.Server
	addresses []string

	mu     sync.RWMutex // held for reading while a notification passes
	isShut bool
	note   sync.Mutex
	told   []told
}

func newFront(t *testing.T, addresses []string) *front {
	f := &front{addresses: addresses}
	f.Server = httptest.NewServer(http.HandlerFunc(f.pass))
	t.Cleanup(f.Close)
	return f
}

// pass passes a notification on to any worker that answers.
func (f *front) pass(w http.ResponseWriter, r *http.Request) {
	f.mu.RLock()
	defer f.mu.RUnlock()
	body, _ := io.ReadAll(r.Body)
	if f.isShut {
		w.WriteHeader(http.StatusServiceUnavailable)
		return
	}
	at := time.Now()
	status, text := f.ask(r, body)
	w.WriteHeader(status)
	io.WriteString(w, text)
	n := told{at: at, status: status, success: status == http.StatusOK && text == "SUCCESS",
		genuine: qfpay.VerifyNotification(body, r.Header.Get("X-QF-SIGN"), rightKey)}
	var err error
	if n.Notification, err = qfpay.ParseNotification(body); err == nil {
		f.note.Lock()
		defer f.note.Unlock()
		f.told = append(f.told, n)
	}
}

func (f *front) ask(r *http.Request, body []byte) (status int, text string) {
	for _, i := range rand.Perm(len(f.addresses)) {
		again, err := http.NewRequestWithContext(r.Context(), r.Method, "http://"+f.addresses[i]+r.URL.Path, bytes.NewReader(body))
		if err != nil {
			continue
		}
		again.Header = r.Header.Clone()
		if answer, err := web.Do(again); err == nil {
			said, _ := io.ReadAll(answer.Body)
			answer.Body.Close()
			return answer.StatusCode, string(said)
		}
	}
	return http.StatusBadGateway, ""
}

// shut lets nothing pass any more.
func (f *front) shut() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.isShut = true
}

// forge notifies about a code what is not true: with the right values and a wrong key, or another hash; and,
// as somebody with the same key may, with another amount or currency. None may be answered with SUCCESS.
func (f *front) forge(t *testing.T, number string, amount int64) {
	t.Helper()
	body := func(amount int64, currency string) string {
		text, _ := json.Marshal(map[string]string{"status": "1", "notify_type": "payment", "respcd": "0000", "out_trade_no": number,
			"syssn": "FORGED" + number, "txamt": fmt.Sprint(amount), "txcurrcd": currency, "paydtm": "2026-01-01 00:00:00"})
		return string(text)
	}
	plain := body(amount, "HKD")
	for _, c := range []struct{ body, sign string }{
		{plain, qfpay.MD5.SignText([]byte(plain), wrongKey)},
		{plain, qfpay.SHA256.SignText([]byte(plain), rightKey)},
		{plain, ""},
		{body(amount+1, "HKD"), qfpay.MD5.SignText([]byte(body(amount+1, "HKD")), rightKey)},
		{body(amount, "CNY"), qfpay.MD5.SignText([]byte(body(amount, "CNY")), rightKey)},
	} {
		request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, f.URL+"/qfpay/notify/default", strings.NewReader(c.body))
		redistest.OK(t, err)
		request.Header.Set("X-QF-SIGN", c.sign)
		answer, err := web.Do(request)
		redistest.OK(t, err)
		answer.Body.Close()
	}
}

// paymentFigures are what a run has shown.
type paymentFigures struct {
	codes           int
	events          map[string]int
	notified, asked []time.Duration // from notification to event, and from payment to event without one
	happened        map[string]int  // refunded and paid_twice at the gateway
}

func figuresOf(a paymentAudit) paymentFigures {
	f := paymentFigures{codes: len(a.published), events: map[string]int{}, happened: map[string]int{}}
	first, seen := map[string]time.Time{}, map[string]bool{}
	for _, n := range a.told {
		if n.genuine && n.Type == qfpay.NotifyPayment && first[n.Syssn].IsZero() {
			first[n.Syssn] = n.at
		}
	}
	paid, payments := map[string]time.Time{}, map[string]int{}
	for _, o := range a.ledger {
		if o.OrderType == "payment" && o.PayDtm != "" {
			paid[o.Syssn] = paidAt(o)
			if payments[o.OutTradeNo]++; payments[o.OutTradeNo] == 2 {
				f.happened["paid_twice"]++
			}
			if o.Refunded > 0 {
				f.happened["refunded"]++
			}
		}
	}
	for _, e := range a.events {
		p := e.Payment
		f.events[p.Event]++
		seen[p.IssuedAs] = true
		switch at := entryTime(e.StreamID); {
		case p.Event != string(tasks.Paid):
		case p.SeenBy == tasks.ByNotification:
			f.notified = append(f.notified, at.Sub(first[p.Syssn]))
		default:
			f.asked = append(f.asked, at.Sub(paid[p.Syssn]))
		}
	}
	for _, o := range a.ledger { // those that wait for their event
		if late := a.now.Sub(paid[o.Syssn]); !paid[o.Syssn].IsZero() && !seen[o.OutTradeNo] && late > time.Minute {
			f.asked = append(f.asked, late)
		}
	}
	slices.Sort(f.notified)
	slices.Sort(f.asked)
	return f
}

// String returns a table.
func (f paymentFigures) String() string {
	return fmt.Sprintf("codes                              %d\nevents                             %v\nof which happened                  %v\n"+
		"notification to event, p50 and p99 %s %s (%d)\npayment to event without one       %s %s (%d)\n",
		f.codes, f.events, f.happened, share(f.notified, .5), share(f.notified, .99), len(f.notified),
		share(f.asked, .5), share(f.asked, .99), len(f.asked))
}

// share returns the value below which a share of all lies.
func share(sorted []time.Duration, q float64) time.Duration {
	if len(sorted) == 0 {
		return 0
	}
	return sorted[min(int(q*float64(len(sorted))), len(sorted)-1)].Round(time.Millisecond)
}
