package api

import (
	"context"
	"net/http"
	"runtime/debug"
	"strings"
	"time"
)

// record collects what to log about one request, and its status.
type record struct {
	http.ResponseWriter
	status int
	attrs  []any
}

// WriteHeader implements [http.ResponseWriter].
func (rec *record) WriteHeader(status int) {
	if rec.status == 0 {
		rec.status = status
	}
	rec.ResponseWriter.WriteHeader(status)
}

// Write implements [http.ResponseWriter].
func (rec *record) Write(b []byte) (int, error) {
	if rec.status == 0 {
		rec.status = http.StatusOK
	}
	return rec.ResponseWriter.Write(b)
}

// Unwrap is for [http.ResponseController].
func (rec *record) Unwrap() http.ResponseWriter { return rec.ResponseWriter }

type recordKey struct{}

// note adds attributes to the log line of a request. Their values must have been validated,
// because a client can send anything.
func note(r *http.Request, attrs ...any) {
	if rec, ok := r.Context().Value(recordKey{}).(*record); ok {
		rec.attrs = append(rec.attrs, attrs...)
	}
}

// noteOrder adds the order of a request to its log line.
func noteOrder(r *http.Request, id string) {
	merchant, outTradeNo, _ := strings.Cut(id, ":")
	note(r, "merchant", merchant, "out_trade_no", outTradeNo)
}

// methodOf returns the method of a request, or "other" if it is long: an unknown method may
// have any length.
func methodOf(r *http.Request) string {
	if len(r.Method) > len(http.MethodOptions) {
		return "other"
	}
	return r.Method
}

// logged writes one log line per request, with its route instead of its path, and without
// headers or bodies. It also answers requests whose handler panics.
func (s *server) logged(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		began := time.Now()
		rec := &record{ResponseWriter: w}
		r = r.WithContext(context.WithValue(r.Context(), recordKey{}, rec))
		defer func() {
			if caught := recover(); caught != nil {
				s.Logger.Error("panic while serving a request", "route", r.Pattern, "panic", caught, "stack", string(debug.Stack()))
				if rec.status != 0 {
					panic(http.ErrAbortHandler) // so that the answer does not look complete
				}
				answerProblem(rec, problem{Status: http.StatusInternalServerError, Detail: "internal error; see the log of the worker"})
			}
			s.Logger.Info("request", append([]any{"method", methodOf(r), "route", r.Pattern, "status", rec.status,
				"took", time.Since(began).Round(time.Millisecond).String()}, rec.attrs...)...)
		}()
		next.ServeHTTP(rec, r)
	})
}
