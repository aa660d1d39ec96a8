package api

import (
	"context"
	"net/http"
	"runtime/debug"
	"strings"
	"time"
)

// record is what is to be logged of one request, and whether it was answered.
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

// note adds something to the line that is logged of a request. It must have been
// checked: what a caller has sent may hold anything.
func note(r *http.Request, attrs ...any) {
	if rec, ok := r.Context().Value(recordKey{}).(*record); ok {
		rec.attrs = append(rec.attrs, attrs...)
	}
}

// noteOrder adds the order that a request is about.
func noteOrder(r *http.Request, id string) {
	merchant, outTradeNo, _ := strings.Cut(id, ":")
	note(r, "merchant", merchant, "out_trade_no", outTradeNo)
}

// methodOf returns the method of a request; one that nobody knows may be of any length.
func methodOf(r *http.Request) string {
	if len(r.Method) > len(http.MethodOptions) {
		return "other"
	}
	return r.Method
}

// logged writes one line a request: its route, not its path, and nothing of its
// headers or bodies. A handler that panics is answered for here.
func (s *server) logged(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		began := time.Now()
		rec := &record{ResponseWriter: w}
		r = r.WithContext(context.WithValue(r.Context(), recordKey{}, rec))
		defer func() {
			if caught := recover(); caught != nil {
				s.Logger.Error("a request made us panic", "route", r.Pattern, "panic", caught, "stack", string(debug.Stack()))
				if rec.status != 0 {
					panic(http.ErrAbortHandler) // what was answered must not look whole
				}
				answerProblem(rec, problem{Status: http.StatusInternalServerError, Detail: "this is a mistake of ours; it is in the log"})
			}
			s.Logger.Info("request", append([]any{"method", methodOf(r), "route", r.Pattern, "status", rec.status,
				"took", time.Since(began).Round(time.Millisecond).String()}, rec.attrs...)...)
		}()
		next.ServeHTTP(rec, r)
	})
}
