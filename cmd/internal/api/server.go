package api

import (
	"context"
	"log/slog"
	"net/http"
	"time"

	"github.com/qfpay-worker/qfpay-worker/internal/seldom"
	"github.com/qfpay-worker/qfpay-worker/tasks"
	"github.com/qfpay-worker/qfpay-worker/worker/batches"
	"github.com/qfpay-worker/qfpay-worker/worker/inspect"
)

// The most requests, uploads, and requests that wait for results or payments at once, and the timeout of Redis. A request needs at most
// 64 KiB of memory, an upload a few hundred.
const (
	maxRequests  = 64
	maxUploads   = 8
	maxWaits     = 16
	redisTimeout = 5 * time.Second
)

// Config configures the API.
type Config struct {
	Producer  *tasks.Producer
	Inspector *inspect.Inspector
	Batches   *batches.Reader
	Results   *tasks.Results
	Payments  *tasks.Payments
	Callers   *Callers        // who may use it
	Stopping  context.Context // when it ends, uploads end too; nil: never
	Logger    *slog.Logger    // nil: no log

	Patience     time.Duration // how long anybody without a token may hold something; 0: 1 s
	Connections  int           // the most at once; 0: an eighth of the descriptors of the process
	Requests     int           // the most at once, including uploads; 0: 64
	Uploads      int           // the most uploads at once; 0: 8
	Waits        int           // the most requests for results and payments at once, beside the others; 0: 16
	RedisTimeout time.Duration // how long a request may wait for Redis; 0: 5 s

	Dropped func(reason string) // called for each connection that [Serve] drops; nil: nobody counts
}

// server serves the routes.
type server struct {
	Config
	requests  slots
	uploads   slots
	waits     slots
	forecasts slots          // of batches
	refused   *seldom.Teller // requests without a valid token, and too many at once
}

// newServer fills in what the configuration leaves out.
func newServer(c Config) *server {
	if c.Stopping == nil {
		c.Stopping = context.Background()
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	s := &server{
		Config:    c,
		requests:  make(slots, orElse(c.Requests, maxRequests)),
		uploads:   make(slots, orElse(c.Uploads, maxUploads)),
		waits:     make(slots, orElse(c.Waits, maxWaits)),
		forecasts: make(slots, 1),
		refused: seldom.New(func(n int, attrs ...any) {
			c.Logger.Info("requests refused", append([]any{"count", n}, attrs...)...)
		}),
	}
	s.RedisTimeout = orElse(c.RedisTimeout, redisTimeout)
	s.Patience = orElse(c.Patience, strangerTimeout)
	return s
}

func orElse[N int | time.Duration](n, otherwise N) N {
	if n > 0 {
		return n
	}
	return otherwise
}

// redisContext returns a context with the timeout of Redis. It does not end when the client
// disconnects, so that an order whose journal is written also gets its wake-up task.
func (s *server) redisContext(r *http.Request) (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.WithoutCancel(r.Context()), s.RedisTimeout)
}

// complain logs an error that the client has not caused, and sets Retry-After.
func (s *server) complain(w http.ResponseWriter, r *http.Request, p problem, err error) {
	if p.Status == http.StatusServiceUnavailable {
		w.Header().Set("Retry-After", "1")
		s.Logger.WarnContext(r.Context(), "a request could not be served", "route", r.Pattern, "error", err)
	}
}
