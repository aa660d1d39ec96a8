package api

import (
	"context"
	"crypto/sha256"
	"log/slog"
	"net/http"
	"path"
	"strings"
	"time"

	"github.com/qfpay-worker/qfpay-worker/worker/inspect"

	"github.com/qfpay-worker/qfpay-worker/qfpay"
	"github.com/qfpay-worker/qfpay-worker/tasks"
)

// The most requests and uploads at once, and the timeout of Redis. A request needs at most
// 64 KiB of memory, an upload a few hundred.
const (
	maxRequests  = 64
	maxUploads   = 8
	redisTimeout = 5 * time.Second
)

// Config configures the API.
type Config struct {
	Producer  *tasks.Producer
	Inspector *inspect.Inspector
	Token     qfpay.Secret    // bearer token; not empty
	Stopping  context.Context // when it ends, uploads end too; nil: never
	Logger    *slog.Logger    // nil: no log

	Requests     int           // the most at once, including uploads; 0: 64
	Uploads      int           // the most uploads at once; 0: 8
	RedisTimeout time.Duration // how long a request may wait for Redis; 0: 5 s
}

// server serves the routes.
type server struct {
	Config
	token    [sha256.Size]byte // its hash, so that a comparison does not reveal the length
	requests slots
	uploads  slots
}

// New returns the handler of every route. All its answers are JSON.
func New(c Config) http.Handler {
	if c.Stopping == nil {
		c.Stopping = context.Background()
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	s := &server{
		Config:   c,
		token:    sha256.Sum256([]byte(c.Token)),
		requests: make(slots, orElse(c.Requests, maxRequests)),
		uploads:  make(slots, orElse(c.Uploads, maxUploads)),
	}
	s.RedisTimeout = orElse(c.RedisTimeout, redisTimeout)
	return s.logged(s.mux())
}

func orElse[N int | time.Duration](n, otherwise N) N {
	if n > 0 {
		return n
	}
	return otherwise
}

// route is one method and path with its handler.
type route struct {
	method, path string
	handler      http.HandlerFunc
}

func (s *server) routes() []route {
	return []route{
		{http.MethodPost, "/v1/orders", s.private(s.postOrders)},
		{http.MethodGet, "/v1/orders/{merchant}/{out_trade_no}", s.private(s.getOrder)},
		{http.MethodGet, "/v1/orders/{merchant}/{out_trade_no}/qr.png", s.private(s.getQRCode)},
		{http.MethodGet, "/v1/openapi.json", getDocument},
	}
}

// mux answers with a problem where http.ServeMux would answer with plain text: for an unknown
// path, and for a method that a path does not support. It also treats a path that is not clean
// as unknown, instead of redirecting it.
func (s *server) mux() http.Handler {
	mux := http.NewServeMux()
	for _, r := range s.routes() { // one method a path
		allowed := r.method
		if allowed == http.MethodGet {
			allowed = "GET, HEAD"
		}
		mux.HandleFunc(r.method+" "+r.path, r.handler)
		mux.HandleFunc(r.path, func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Allow", allowed)
			answerProblem(w, problem{Status: http.StatusMethodNotAllowed, Detail: "this path supports " + allowed})
		})
	}
	mux.HandleFunc("/", notFound)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if p := r.URL.Path; p != "/" && path.Clean(p) != p && path.Clean(p)+"/" != p || strings.HasPrefix(p, "//") {
			notFound(w, r)
			return
		}
		mux.ServeHTTP(w, r)
	})
}

func notFound(w http.ResponseWriter, _ *http.Request) {
	answerProblem(w, problem{Status: http.StatusNotFound, Detail: "there is nothing at this path; see /v1/openapi.json"})
}
