package api

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/logging"
	"go.uber.org/goleak"

	"github.com/qfpay-worker/qfpay-worker/internal/redistest"
	"github.com/qfpay-worker/qfpay-worker/qfpay"
	"github.com/qfpay-worker/qfpay-worker/qfpay/simulator"
	"github.com/qfpay-worker/qfpay-worker/tasks"
	"github.com/qfpay-worker/qfpay-worker/worker"
	"github.com/qfpay-worker/qfpay-worker/worker/batches"
	"github.com/qfpay-worker/qfpay-worker/worker/inspect"
)

func TestMain(m *testing.M) {
	logging.Disable() // go-redis's own, when a test kills its server
	goleak.VerifyTestMain(m, redistest.Dialing)
}

// token is the token of the tests; no log and no answer may contain it.
const token = "CANARY-9d1c2f0e-token"

// keys are those of every test; each test has a server of its own.
var keys = tasks.Keys{Prefix: tasks.DefaultPrefix}

// rig is the API on a port, and a Redis.
type rig struct {
	t       testing.TB
	redis   *redistest.Server
	rdb     *redis.Client
	log     *logBook
	callers *Callers
	http    *httptest.Server
	doc     *documented
	plain   http.Client // of which nothing is checked
	api     http.Client // every answer must be as documented
}

// newRig starts one; change may set other bounds.
func newRig(t testing.TB, change ...func(*Config)) *rig {
	r := &rig{t: t, redis: redistest.Start(t), log: &logBook{}, callers: NewCallers(OneCaller(token)), doc: theDocument(t)}
	// As qfpay-worker connects: a context ends a command that waits.
	r.rdb = redis.NewClient(&redis.Options{Network: "unix", Addr: r.redis.Socket, ContextTimeoutEnabled: true})
	t.Cleanup(func() { r.rdb.Close() })
	c := Config{
		Producer: tasks.NewProducer(r.rdb, keys), Inspector: inspect.New(r.rdb, keys), Batches: batches.New(r.rdb, keys), Callers: r.callers,
		Results: tasks.NewResults(r.rdb, keys), Payments: tasks.NewPayments(r.rdb, keys),
		Logger: slog.New(slog.NewTextHandler(r.log, &slog.HandlerOptions{Level: slog.LevelDebug})),
	}
	for _, f := range change {
		f(&c)
	}
	r.http = httptest.NewUnstartedServer(New(c))
	r.http.Config.ReadTimeout = 2 * time.Second // a body that does not come
	r.http.Start()
	t.Cleanup(r.http.Close)
	transport := &http.Transport{}
	t.Cleanup(transport.CloseIdleConnections)
	r.plain.Transport = transport
	r.api.Transport = &checking{r, transport}
	t.Cleanup(func() {
		if strings.Contains(r.log.String(), token) {
			t.Error("the token is in the log")
		}
	})
	return r
}

// request makes a request that shows the token.
func (r *rig) request(method, path, contentType string, body io.Reader) *http.Request {
	r.t.Helper()
	req, err := http.NewRequestWithContext(r.t.Context(), method, r.http.URL+path, body)
	if err != nil {
		r.t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+token)
	if contentType != "" {
		req.Header.Set("Content-Type", contentType)
	}
	return req
}

// answered is an answer, read.
type answered struct {
	status int
	header http.Header
	body   string
}

// do sends a request with the client that checks what comes.
func (r *rig) do(req *http.Request) answered {
	r.t.Helper()
	res, err := r.api.Do(req)
	if err != nil {
		r.t.Fatal(err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		r.t.Fatal(err)
	}
	return answered{res.StatusCode, res.Header, string(body)}
}

func (r *rig) get(path string) answered {
	r.t.Helper()
	return r.do(r.request(http.MethodGet, path, "", nil))
}

// post sends one order.
func (r *rig) post(order string) answered {
	r.t.Helper()
	return r.do(r.request(http.MethodPost, "/v1/orders", oneOrder, strings.NewReader(order)))
}

// lines sends many orders.
func (r *rig) lines(body io.Reader) answered {
	r.t.Helper()
	return r.do(r.request(http.MethodPost, "/v1/orders", manyOrders, body))
}

// into reads the body of an answer.
func into[T any](t testing.TB, text string) T {
	t.Helper()
	var v T
	d := json.NewDecoder(strings.NewReader(text))
	d.DisallowUnknownFields()
	if err := d.Decode(&v); err != nil {
		t.Fatalf("%v: %s", err, text)
	}
	return v
}

// anOrder is a valid order as JSON.
func anOrder(outTradeNo string) string {
	return `{"out_trade_no":"` + outTradeNo + `","pay_type":"801501","txamt":2500,"txcurrcd":"HKD","goods_name":"珍珠奶茶"}`
}

// work runs a worker against a gateway until the orders have their results.
func (r *rig) work(gateway simulator.Config, orders int) {
	r.t.Helper()
	gateway.PerSecond, gateway.PerMinute = simulator.NoLimit, simulator.NoLimit
	queue := r.redis.Client(r.t)
	w, err := worker.New(worker.Config{
		Redis: r.rdb, Queue: queue, Blocking: r.redis.Client(r.t), Keys: keys,
		Merchants: []worker.Merchant{{Merchant: qfpay.Merchant{Name: "default", BaseURL: "http://gateway",
			AppCode: simulator.SampleAppCode, Key: simulator.SampleKey}}},
		HTTP:        &http.Client{Transport: simulator.New(gateway).Transport()},
		CallTimeout: time.Second, LostResponse: worker.Auto, UniqueNumbers: true, Concurrency: 4, ShutdownTimeout: 3 * time.Second,
	})
	if err != nil {
		r.t.Fatal(err)
	}
	ctx, stop := context.WithTimeout(r.t.Context(), time.Minute)
	ended := make(chan error, 1)
	go func() { ended <- w.Run(ctx) }()
	r.t.Cleanup(func() { // before its clients are closed, also when the test fails here
		stop()
		w.Close()
	})
	r.until("every order has its result", func() bool { return r.rdb.XLen(ctx, keys.Results()).Val() >= int64(orders) })
	stop()
	if err := <-ended; err != nil {
		r.t.Fatal(err)
	}
}

// until waits for something, for a minute at most.
func (r *rig) until(what string, done func() bool) {
	r.t.Helper()
	for end := time.Now().Add(time.Minute); !done(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			r.t.Fatalf("in vain: %s\n%s", what, r.log)
		}
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

// xadd is a result as an entry of the stream.
func xadd(r *tasks.Result) *redis.XAddArgs {
	return &redis.XAddArgs{Stream: keys.Results(), Values: r.Values()}
}
