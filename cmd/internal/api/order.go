package api

import (
	"context"
	"errors"
	"io"
	"mime"
	"net/http"
	"os"
	"strings"

	"github.com/qfpay-worker/qfpay-worker/tasks"
)

// The types of a body with orders.
const (
	oneOrder   = "application/json"
	manyOrders = "application/x-ndjson"
)

// postOrders accepts one order as JSON, or many as NDJSON.
func (s *server) postOrders(w http.ResponseWriter, r *http.Request) {
	switch bodyType(r.Header) {
	case oneOrder:
		s.postOrder(w, r)
	case manyOrders:
		s.uploads.limit(s.postLines)(w, r)
	default:
		w.Header().Set("Accept-Post", oneOrder+", "+manyOrders)
		answerProblem(w, problem{Status: http.StatusUnsupportedMediaType,
			Detail: "send one order as " + oneOrder + " or many as " + manyOrders + ", both in UTF-8 and not compressed"})
	}
}

// bodyType returns the media type of the body, or "" if the body is compressed or not UTF-8.
func bodyType(h http.Header) string {
	kind, params, err := mime.ParseMediaType(h.Get("Content-Type"))
	charset, given := params["charset"]
	encoding := h.Get("Content-Encoding")
	if err != nil || given && !strings.EqualFold(charset, "utf-8") || encoding != "" && encoding != "identity" {
		return ""
	}
	return kind
}

// traceparent returns the traceparent header. It ignores a repeated one.
func traceparent(h http.Header) string {
	if values := h.Values("traceparent"); len(values) == 1 {
		return values[0]
	}
	return ""
}

// accepted is the answer to an accepted order.
type accepted struct {
	ID         string             `json:"id"`
	Merchant   string             `json:"merchant"`
	OutTradeNo string             `json:"out_trade_no"`
	Acceptance tasks.AcceptStatus `json:"acceptance"`
	State      string             `json:"state"` // of the order: NEW, SENT, CLOSING or DONE
}

func acceptedOf(a tasks.AcceptResult) *accepted {
	merchant, outTradeNo, _ := strings.Cut(a.ID, ":")
	return &accepted{a.ID, merchant, outTradeNo, a.Status, a.State}
}

// postOrder accepts one order.
func (s *server) postOrder(w http.ResponseWriter, r *http.Request) {
	text, err := io.ReadAll(http.MaxBytesReader(w, r.Body, tasks.MaxOrderBytes))
	if err != nil {
		answerProblem(w, cutOff(err))
		return
	}
	order, err := tasks.ParseOrder(text)
	if err != nil {
		answerProblem(w, unreadable(err))
		return
	}
	order.Traceparent = traceparent(r.Header)
	ctx, cancel := s.redisContext(r)
	defer cancel()
	result, _ := s.Producer.Enqueue(ctx, order) // the error is in result too
	noteOrder(r, result.ID)
	if result.Err != nil {
		p := refused(result.Err)
		s.complain(w, r, p, result.Err)
		answerProblem(w, p)
		return
	}
	a := acceptedOf(result)
	w.Header().Set("Location", "/v1/orders/"+a.Merchant+"/"+a.OutTradeNo)
	answer(w, http.StatusAccepted, "application/json", a)
}

// cutOff returns the problem for a body that could not be read to its end.
func cutOff(err error) problem {
	if _, ok := errors.AsType[*http.MaxBytesError](err); ok {
		return unreadable(tasks.ErrOrderTooLong)
	}
	if errors.Is(err, os.ErrDeadlineExceeded) {
		return problem{Status: http.StatusRequestTimeout, Detail: "the body took too long to arrive"}
	}
	return problem{Status: http.StatusBadRequest, Detail: "the body is incomplete"}
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
