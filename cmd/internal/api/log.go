package api

import (
	"context"
	"net"
	"net/http"
	"runtime/debug"
	"strings"
	"time"
)

// record collects what to log about one request, and its status.
type record struct {
	http.ResponseWriter
	body   *body
	status int
	attrs  []any
	caller *Caller // nil: a stranger
}

// WriteHeader implements [http.ResponseWriter].
func (rec *record) WriteHeader(status int) {
	if rec.status == 0 {
		rec.status = status
		if rec.caller == nil || status >= http.StatusBadRequest && !rec.body.ended {
			rec.Header().Set("Connection", "close")
		}
	}
	rec.ResponseWriter.WriteHeader(status)
}

// Write implements [http.ResponseWriter].
func (rec *record) Write(b []byte) (int, error) {
	if rec.status == 0 {
		rec.WriteHeader(http.StatusOK)
	}
	return rec.ResponseWriter.Write(b)
}

// Unwrap is for [http.ResponseController].
func (rec *record) Unwrap() http.ResponseWriter { return rec.ResponseWriter }

type recordKey struct{}

// recordOf returns the record of a request, which [server.logged] makes.
func recordOf(r *http.Request) *record { return r.Context().Value(recordKey{}).(*record) }

// note adds attributes to the log line of a request. Their values must have been validated,
// because a client can send anything.
func note(r *http.Request, attrs ...any) {
	rec := recordOf(r)
	rec.attrs = append(rec.attrs, attrs...)
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

// logged writes one log line per request of a caller, with its route instead of its path, and
// without headers or bodies. Requests without a token, and those that are too many, are counted
// instead. It also answers requests whose handler panics.
//
// An answer leaves at once, also while the body is still on its way; then the body is read on.
func (s *server) logged(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		began := time.Now()
		rec := &record{ResponseWriter: w, body: newBody(r)}
		r = r.WithContext(context.WithValue(r.Context(), recordKey{}, rec))
		r.Body = rec.body
		control := http.NewResponseController(w)
		control.EnableFullDuplex() // HTTP/2 always is, and HTTP/1 can be
		defer func() {
			if caught := recover(); caught != nil {
				s.Logger.Error("panic while serving a request", "route", r.Pattern, "panic", caught, "stack", string(debug.Stack()))
				if rec.status != 0 {
					panic(http.ErrAbortHandler) // so that the answer does not look complete
				}
				answerProblem(rec, problem{Status: http.StatusInternalServerError, Detail: "internal error; see the log of the worker"})
			}
			s.log(r, rec, time.Since(began))
			if rec.status >= http.StatusBadRequest && s.Stopping.Err() == nil {
				patience := bodyTimeout
				if rec.caller == nil {
					patience = s.Patience
				}
				rec.body.readOn(control, patience)
			}
		}()
		next.ServeHTTP(rec, r)
	})
}

func (s *server) log(r *http.Request, rec *record, took time.Duration) {
	attrs := []any{"method", methodOf(r), "route", r.Pattern, "status", rec.status}
	if rec.caller == nil || rec.status == http.StatusTooManyRequests {
		host, _, _ := net.SplitHostPort(r.RemoteAddr)
		s.refused.Note(append(attrs, "from", host)...)
		return
	}
	attrs = append(attrs, "took", took.Round(time.Millisecond).String(), "caller", rec.caller.Name)
	s.Logger.Info("request", append(attrs, rec.attrs...)...)
}
