package worker

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"os"
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
	"github.com/qfpay-worker/qfpay-worker/worker/internal/timing"
)

// rig is a Redis, a gateway and workers, with times that a test can wait for.
type rig struct {
	t       testing.TB
	server  *redistest.Server
	rdb     *redis.Client
	keys    tasks.Keys
	gateway *simulator.Gateway
	config  Config
	times   timing.Times
	windows [2]time.Duration // of the limits; zero: QFPay's own
	log     *logBook
	events  *eventBook

	workers []*Worker // that were started

	user       string        // of the worker's clients; empty: the default user
	oneByOne   bool          // the journal's scripts do not go in batches
	intakeIdle time.Duration // 0: the worker's own
}

func newRig(t testing.TB, c simulator.Config) *rig {
	server := redistest.Start(t)
	if c.PerSecond == 0 && c.PerMinute == 0 {
		c.PerSecond, c.PerMinute = simulator.NoLimit, simulator.NoLimit
	}
	r := &rig{t: t, server: server, rdb: server.Client(t), keys: tasks.Keys{Prefix: tasks.DefaultPrefix},
		gateway: simulator.New(c), times: calmTimes(), log: &logBook{}, events: &eventBook{}}
	r.config = Config{
		Redis: r.rdb, Keys: r.keys,
		Merchants: []Merchant{{Merchant: qfpay.Merchant{Name: "default", BaseURL: "http://gateway",
			AppCode: simulator.SampleAppCode, Key: simulator.SampleKey}}},
		HTTP:            &http.Client{Transport: r.gateway.Transport()},
		CallTimeout:     time.Second,
		LostResponse:    Auto,
		UniqueNumbers:   true,
		Concurrency:     16,
		ShutdownTimeout: 3 * time.Second,
		Logger:          slog.New(slog.NewTextHandler(r.log, &slog.HandlerOptions{Level: slog.LevelDebug})),
		Observer:        r.events,
	}
	return r
}

// client returns a client that logs in as the rig's user.
func (r *rig) client() *redis.Client {
	rdb := redis.NewClient(&redis.Options{Network: "unix", Addr: r.server.Socket, Username: r.user, Password: "secret"})
	r.t.Cleanup(func() { rdb.Close() })
	return rdb
}

// start runs a worker until the test ends, or stop is called, which waits for its end.
func (r *rig) start() (stop func()) {
	r.t.Helper()
	c := r.config
	c.windows, c.times = r.windows, &r.times
	c.Queue, c.Blocking = r.server.Client(r.t), r.server.Client(r.t)
	if r.user != "" {
		c.Redis, c.Queue, c.Blocking = r.client(), r.client(), r.client()
	}
	w, err := New(c)
	if err != nil {
		r.t.Fatal(err)
	}
	if r.intakeIdle > 0 {
		w.intake.Idle = r.intakeIdle
	}
	r.workers = append(r.workers, w)
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- w.Run(ctx) }()
	stop = sync.OnceFunc(func() {
		cancel()
		if err := <-ended; err != nil {
			r.t.Error(err)
		}
		w.Close()
	})
	r.t.Cleanup(stop)
	return stop
}

func (r *rig) producer() *tasks.Producer { return tasks.NewProducer(r.rdb, r.keys) }

// enqueue enqueues n orders and returns them.
func (r *rig) enqueue(n int, change func(i int, o *tasks.Order)) []tasks.Order {
	r.t.Helper()
	orders := make([]tasks.Order, n)
	for i := range orders {
		orders[i] = anOrder(fmt.Sprintf("A%04d", i))
		if change != nil {
			change(i, &orders[i])
		}
	}
	accepted, err := r.producer().EnqueueAll(r.t.Context(), orders)
	if err != nil {
		r.t.Fatal(err)
	}
	for _, a := range accepted {
		if a.Err != nil {
			r.t.Fatal(a.Err)
		}
	}
	return orders
}

// results waits for n results and returns them by out_trade_no. It fails when one
// order has two, or when they do not come.
func (r *rig) results(n int) map[string]tasks.Result {
	r.t.Helper()
	ctx, cancel := context.WithTimeout(r.t.Context(), time.Minute)
	defer cancel()
	got := map[string]tasks.Result{}
	err := tasks.NewResults(r.rdb, r.keys).Follow(ctx, "0", func(e tasks.Entry) error {
		if e.Err != nil {
			return e.Err
		}
		if _, twice := got[e.Result.OutTradeNo]; twice {
			return fmt.Errorf("%s has two results", e.Result.OutTradeNo)
		}
		got[e.Result.OutTradeNo] = e.Result
		if len(got) == n {
			cancel()
		}
		return nil
	})
	if len(got) != n || err != nil && !errors.Is(err, context.Canceled) {
		due := r.rdb.ZRangeWithScores(context.Background(), r.keys.Due(), 0, 5).Val()
		r.t.Fatalf("%d results of %d: %v\ndue: %v\nlast lines of the log:\n%s", len(got), n, err, due, r.log.tail(30))
	}
	return got
}

// agree holds the results against the gateway's ledger, order by order.
func (r *rig) agree(results map[string]tasks.Result) {
	r.t.Helper()
	live := map[string][]simulator.Order{} // by the order's own number
	for _, o := range r.gateway.Orders() {
		if own, _, _ := strings.Cut(o.OutTradeNo, "_"); o.OrderType == "payment" && (o.Live() || o.State == simulator.Paid) {
			live[own] = append(live[own], o)
		}
	}
	for no, res := range results {
		stand := live[no]
		switch tasks.Outcome(res.Outcome) {
		case tasks.Created:
			if len(stand) != 1 || stand[0].OutTradeNo != res.IssuedAs || stand[0].QRCode != res.QRCode || stand[0].Syssn != res.Syssn {
				r.t.Errorf("%s: created as %s with syssn %s, but at the gateway stand %+v", no, res.IssuedAs, res.Syssn, stand)
			}
		case tasks.Rejected, tasks.Expired:
			if len(stand) != 0 {
				r.t.Errorf("%s: %s (%s), but at the gateway stands %+v", no, res.Outcome, res.Reason, stand)
			}
		case tasks.Unresolved:
			if len(stand) > 1 {
				r.t.Errorf("%s: unresolved, and %d orders stand", no, len(stand))
			}
		}
	}
	if due := r.rdb.ZCard(r.t.Context(), r.keys.Due()).Val(); due != 0 {
		r.t.Errorf("%d orders are still due", due)
	}
}

// logBook keeps what was logged.
type logBook struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (b *logBook) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.Write(p)
}

func (b *logBook) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.String()
}

func (b *logBook) tail(n int) string {
	lines := strings.Split(b.String(), "\n")
	return strings.Join(lines[max(0, len(lines)-n):], "\n")
}

// eventBook keeps what was observed.
type eventBook struct {
	mu     sync.Mutex
	events []event.Event
}

func (b *eventBook) Observe(e event.Event) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.events = append(b.events, e)
}

// seen returns the events of one type.
func seen[T event.Event](b *eventBook) []T {
	b.mu.Lock()
	defer b.mu.Unlock()
	var all []T
	for _, e := range b.events {
		if one, is := e.(T); is {
			all = append(all, one)
		}
	}
	return all
}

// scriptOf is the script that these files make together.
func scriptOf(t testing.TB, files ...string) *redis.Script {
	t.Helper()
	var src []byte
	for _, file := range files {
		text, err := os.ReadFile(file)
		ok(t, err)
		src = append(src, text...)
	}
	return redis.NewScript(string(src))
}
