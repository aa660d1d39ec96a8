package metrics

import (
	"context"
	"fmt"
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// readyTimeout is how long the readiness check may take. By default, Kubernetes allows a
// probe one second.
const readyTimeout = 800 * time.Millisecond

// Mux serves the three pages of a process:
//
//	/metrics   the metrics of gatherer, in the text format of Prometheus
//	/healthz   200 while the process can answer
//	/readyz    200 if ready returns nil, else 503 and the reason
//
// ready returns nil if the process works on orders, else the reason why it does not. The page
// shows the error to every client, so it must not contain secrets. ready should respect its
// context, which ends after 800 ms. A worker without Redis is alive and not ready: killing it
// would not bring Redis back.
func Mux(gatherer prometheus.Gatherer, ready func(context.Context) error) *http.ServeMux {
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", promhttp.HandlerFor(gatherer, promhttp.HandlerOpts{
		// One failing collector must not hide the others.
		ErrorHandling:       promhttp.ContinueOnError,
		MaxRequestsInFlight: 4,
	}))
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, r *http.Request) {
		answer(w, http.StatusOK, "alive")
	})
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, r *http.Request) {
		ctx, cancel := context.WithTimeout(r.Context(), readyTimeout)
		defer cancel()
		if err := ready(ctx); err != nil {
			answer(w, http.StatusServiceUnavailable, "not ready: "+err.Error())
			return
		}
		answer(w, http.StatusOK, "ready")
	})
	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, r *http.Request) {
		answer(w, http.StatusOK, "qfpay-worker: /metrics /healthz /readyz")
	})
	return mux
}

// answer writes one line of plain text that no proxy may cache.
func answer(w http.ResponseWriter, status int, line string) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	fmt.Fprintln(w, line)
}

// Dropped returns a function that counts the connections that a server, "api" or "pages", drops.
func (m *Metrics) Dropped(server string) func(reason string) {
	return func(reason string) {
		m.mu.RLock()
		defer m.mu.RUnlock()
		m.dropped.WithLabelValues(m.known.server.label(server), m.known.dropReason.label(reason)).Inc()
	}
}
