package api

import (
	"net/http"
	"path"
	"strings"
)

// New returns the handler of every route. All its answers are JSON.
func New(c Config) http.Handler {
	s := newServer(c)
	return s.logged(s.mux())
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
		{http.MethodDelete, "/v1/orders/{merchant}/{out_trade_no}", s.private(s.deleteOrder)},
		{http.MethodGet, "/v1/orders/{merchant}/{out_trade_no}/qr.png", s.private(s.getQRCode)},
		{http.MethodGet, "/v1/batches/{name}", s.private(s.getBatch)},
		{http.MethodGet, "/v1/results", s.waiting(getFeed(s, s.Results, resultEntry))},
		{http.MethodGet, "/v1/payments", s.waiting(getFeed(s, s.Payments, paymentEntry))},
		{http.MethodGet, "/v1/openapi.json", getDocument},
	}
}

// mux answers with a problem where http.ServeMux would answer with plain text: for an unknown
// path, and for a method that a path does not support. It also treats a path that is not clean
// as unknown, instead of redirecting it.
func (s *server) mux() http.Handler {
	mux := http.NewServeMux()
	methods := map[string]string{} // by path
	for _, r := range s.routes() {
		allowed := r.method
		if allowed == http.MethodGet {
			allowed = "GET, HEAD"
		}
		if others := methods[r.path]; others != "" {
			allowed = others + ", " + allowed
		}
		methods[r.path] = allowed
		mux.HandleFunc(r.method+" "+r.path, r.handler)
	}
	for path, allowed := range methods {
		mux.HandleFunc(path, func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Allow", allowed)
			answerProblem(w, problem{Status: http.StatusMethodNotAllowed, Detail: "this path supports " + allowed})
		})
	}
	mux.HandleFunc("/", notFound)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if p := r.URL.Path; !strings.HasPrefix(p, "/") || strings.HasPrefix(p, "//") || p != "/" && path.Clean(p) != p && path.Clean(p)+"/" != p {
			notFound(w, r)
			return
		}
		mux.ServeHTTP(w, r)
	})
}

func notFound(w http.ResponseWriter, _ *http.Request) {
	answerProblem(w, problem{Status: http.StatusNotFound, Detail: "there is nothing at this path; see /v1/openapi.json"})
}
