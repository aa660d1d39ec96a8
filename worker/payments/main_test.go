package payments

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/qfpay-worker/qfpay-worker/internal/redistest"
	"github.com/qfpay-worker/qfpay-worker/qfpay"
	"github.com/qfpay-worker/qfpay-worker/qfpay/simulator"
	"github.com/qfpay-worker/qfpay-worker/tasks"
	"github.com/qfpay-worker/qfpay-worker/worker/event"
)

func TestMain(m *testing.M) { redistest.Main(m) }

// rig is a Redis, a gateway with a clock of its own, and a follower on that clock.
type rig struct {
	*Follower
	t       testing.TB
	rdb     *redis.Client
	gateway *simulator.Gateway
	client  *qfpay.Client
	calls   int

	mu     sync.Mutex
	events []event.Event
	log    strings.Builder
}

func newRig(t testing.TB, c simulator.Config) *rig {
	r := &rig{t: t, rdb: redistest.Start(t).Client(t)}
	c.PerSecond, c.PerMinute = simulator.NoLimit, simulator.NoLimit
	c.Now = func() time.Time { return noon }
	r.gateway = simulator.New(c)
	r.client = &qfpay.Client{Merchant: qfpay.Merchant{Name: "default", BaseURL: "http://gateway", AppCode: simulator.SampleAppCode, Key: simulator.SampleKey},
		HTTP: &http.Client{Transport: r.gateway.Transport()}, OnCall: func(qfpay.Call) { r.calls++ }}
	r.Follower = &Follower{Book: &Book{Redis: r.rdb, Keys: tasks.Keys{Prefix: tasks.DefaultPrefix}, Observer: r, Logger: slog.New(slog.NewTextHandler(&r.log, nil))},
		Merchants: func() []string { return []string{"default"} }, Client: func(string) *qfpay.Client { return r.client }, now: r.gateway.Now}
	return r
}

// Observe implements [event.Observer].
func (r *rig) Observe(e event.Event) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.events = append(r.events, e)
}

// create creates an order at the gateway, and publishes its code as settle.lua does.
func (r *rig) create(number string, change func(*qfpay.Order)) {
	r.t.Helper()
	o := qfpay.Order{OutTradeNo: number, PayType: qfpay.AlipayHK, TxAmt: 2500, TxCurrCd: "HKD", TxDtm: "2026-03-10 12:00:00"}
	if change != nil {
		change(&o)
	}
	p, err := r.client.CreatePayment(r.t.Context(), o, nil)
	if err != nil {
		r.t.Fatal(err)
	}
	r.publishCode(o, p.Syssn, p.SysDtm)
}

func (r *rig) publishCode(o qfpay.Order, syssn, sysDtm string) {
	r.t.Helper()
	now, expires := r.gateway.Now(), ""
	if o.Life() > 0 {
		expires = now.Add(o.Life()).Format(time.RFC3339)
	}
	id, keys := "default:"+o.OutTradeNo, r.Book.Keys
	pipe := r.rdb.Pipeline()
	pipe.HSet(r.t.Context(), keys.Order(id), "state", "DONE", "outcome", "created", "payment", "open", "issued_as", o.OutTradeNo, "syssn", syssn, "sysdtm", sysDtm,
		"qr_expires_at", expires, "settled_at", now.UnixMilli(), "batch", "B1",
		"order", fmt.Sprintf(`{"pay_type":"%s","txamt":%d,"txcurrcd":"%s"}`, o.PayType, o.TxAmt, o.TxCurrCd))
	pipe.ZAdd(r.t.Context(), keys.Open("default"), redis.Z{Score: float64(now.UnixMilli()), Member: id})
	_, err := pipe.Exec(r.t.Context())
	redistest.OK(r.t, err)
}

// follow lets a leader work for a span of the gateway's time.
func (r *rig) follow(l *leader, span time.Duration) {
	r.t.Helper()
	for end := r.gateway.Now().Add(span); r.gateway.Now().Before(end); {
		redistest.OK(r.t, l.round(r.t.Context(), r.client))
		r.gateway.Advance(2 * time.Second)
	}
}

// published returns the events of the stream, by order number.
func (r *rig) published() map[string][]tasks.Payment {
	r.t.Helper()
	all := map[string][]tasks.Payment{}
	entries, err := tasks.NewPayments(r.rdb, r.Book.Keys).Read(context.Background(), "", 1_000_000)
	redistest.OK(r.t, err)
	for _, e := range entries {
		redistest.OK(r.t, e.Err)
		all[e.Payment.OutTradeNo] = append(all[e.Payment.OutTradeNo], e.Payment)
	}
	return all
}

func words(all []tasks.Payment) string {
	var w []string
	for _, p := range all {
		w = append(w, p.Event)
	}
	return strings.Join(w, " ")
}

// want fails unless these are the events of an order.
func (r *rig) want(number, events string) {
	r.t.Helper()
	if got := words(r.published()[number]); got != events {
		r.t.Errorf("%s: %q, want %q", number, got, events)
	}
}
