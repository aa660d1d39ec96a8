package metrics

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/redis/go-redis/v9"

	"github.com/qfpay-worker/qfpay-worker/internal/redistest"
)

func get(t *testing.T, h http.Handler, method, path string) *httptest.ResponseRecorder {
	t.Helper()
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), method, path, nil))
	return w
}

func isReady(context.Context) error { return nil }

func notReady(context.Context) error { return errors.New("shutting down") }

func TestMux_EveryPageIsAnswered(t *testing.T) {
	reg := prometheus.NewPedanticRegistry()
	New(reg, BuildInfo{Version: "1.2.3"}, nil)
	for name, test := range map[string]struct {
		ready        func(context.Context) error
		method, path string
		status       int
		body         string
	}{
		// alive does not depend on Redis
		"alive":          {notReady, "GET", "/healthz", 200, "alive\n"},
		"ready":          {isReady, "GET", "/readyz", 200, "ready\n"},
		"not ready":      {notReady, "GET", "/readyz", 503, "not ready: shutting down\n"},
		"metrics":        {notReady, "GET", "/metrics", 200, `qfpay_build_info{commit="",goversion="",version="1.2.3"} 1`},
		"what there is":  {isReady, "GET", "/", 200, "/metrics /healthz /readyz"},
		"nothing else":   {isReady, "GET", "/debug/pprof/", 404, ""},
		"a probe's HEAD": {isReady, "HEAD", "/readyz", 200, ""},
		"reading only":   {isReady, "POST", "/metrics", 405, ""},
	} {
		t.Run(name, func(t *testing.T) {
			w := get(t, Mux(reg, test.ready), test.method, test.path)
			if w.Code != test.status || !strings.Contains(w.Body.String(), test.body) {
				t.Errorf("%s %s: %d %q, want %d with %q", test.method, test.path, w.Code, w.Body, test.status, test.body)
			}
		})
	}
}

func TestReadyz_TheAnswerComesBeforeAProbeGivesUp(t *testing.T) {
	var left time.Duration
	ready := func(ctx context.Context) error {
		end, ok := ctx.Deadline()
		if !ok {
			t.Error("the readiness check has no deadline")
		}
		left = time.Until(end)
		return nil
	}
	get(t, Mux(prometheus.NewRegistry(), ready), "GET", "/readyz")
	if left <= 0 || left > time.Second {
		t.Errorf("the readiness check has %s; a probe waits for one second", left)
	}
}

func TestMux_HealthzAndReadyzAreNotCached(t *testing.T) {
	mux := Mux(prometheus.NewRegistry(), notReady)
	for _, path := range []string{"/healthz", "/readyz"} {
		if got := get(t, mux, "GET", path).Header().Get("Cache-Control"); got != "no-store" {
			t.Errorf("%s: Cache-Control %q", path, got)
		}
	}
}

// A scrape during an outage of Redis shows the metrics of the process and counts the failure.
// It is complete again when Redis is back.
func TestQueues_AScrapeOutlivesRedis(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	reg := prometheus.NewPedanticRegistry()
	m := New(reg, BuildInfo{}, []string{"default"})
	rdb := redis.NewClient(&redis.Options{Network: "unix", Addr: server.Socket, MaxRetries: -1, DialerRetries: 1})
	t.Cleanup(func() { rdb.Close() })
	reg.MustRegister(m.Queues(rdb, keys, 5*time.Second))
	mux := Mux(reg, isReady)
	scrape := func(with, without string) {
		t.Helper()
		w := get(t, mux, "GET", "/metrics")
		body := w.Body.String()
		if w.Code != 200 || !strings.Contains(body, with) || strings.Contains(body, without) {
			t.Errorf("status %d; want %q and not %q in:\n%s", w.Code, with, without, body)
		}
	}
	const (
		queues = `qfpay_queue_orders{lane="bulk",state="pending"} 0`
		own    = `qfpay_orders_settled_total{merchant="default",outcome="created",pay_type="800101"} 0`
		failed = "qfpay_redis_errors_total{op=\"scrape\"} 1\n"
	)
	scrape(queues, failed)
	server.Kill()
	scrape(own, "qfpay_queue_orders")
	server.Boot(t)
	scrape(queues, "qfpay_redis_errors_total{op=\"scrape\"} 0\n")
	scrape(failed, "\x00")
}

// A server that refuses the user answers nothing. No figure is shown then, least of all a zero.
func TestQueues_AScrapeOfARefusedUserShowsNoFigures(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	rdb := server.Refused(t)
	reg := prometheus.NewPedanticRegistry()
	reg.MustRegister(New(reg, BuildInfo{}, []string{"default"}).Queues(rdb, keys, 5*time.Second))
	mux := Mux(reg, isReady)
	get(t, mux, "GET", "/metrics")
	body := get(t, mux, "GET", "/metrics").Body.String()
	for _, name := range []string{"qfpay_orders_unsettled ", "qfpay_results_length ", "qfpay_queue_orders{"} {
		if strings.Contains(body, "\n"+name) {
			t.Errorf("shows %s of a server that refuses", name)
		}
	}
	if strings.Contains(body, "qfpay_redis_errors_total{op=\"scrape\"} 0\n") {
		t.Errorf("the failed scrape is not counted:\n%s", body)
	}
}
