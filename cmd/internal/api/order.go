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

// postOrders takes one order, or a line of NDJSON for each of many.
func (s *server) postOrders(w http.ResponseWriter, r *http.Request) {
	switch bodyType(r.Header) {
	case oneOrder:
		s.postOrder(w, r)
	case manyOrders:
		s.uploads.limit(s.postLines)(w, r)
	default:
		w.Header().Set("Accept-Post", oneOrder+", "+manyOrders)
		answerProblem(w, problem{Status: http.StatusUnsupportedMediaType,
			Detail: "an order is " + oneOrder + ", many are " + manyOrders + ", both in UTF-8 and not compressed"})
	}
}

// bodyType returns the media type of a body that is not encoded, or "".
func bodyType(h http.Header) string {
	kind, params, err := mime.ParseMediaType(h.Get("Content-Type"))
	charset, given := params["charset"]
	encoding := h.Get("Content-Encoding")
	if err != nil || given && !strings.EqualFold(charset, "utf-8") || encoding != "" && encoding != "identity" {
		return ""
	}
	return kind
}

// traceparent returns the caller's place in a trace. A header that is there twice is none.
func traceparent(h http.Header) string {
	if values := h.Values("traceparent"); len(values) == 1 {
		return values[0]
	}
	return ""
}

// accepted is the answer to an order that is in its journal.
type accepted struct {
	ID         string             `json:"id"`
	Merchant   string             `json:"merchant"`
	OutTradeNo string             `json:"out_trade_no"`
	Acceptance tasks.AcceptStatus `json:"acceptance"`
	State      string             `json:"state"` // of the order: NEW, SENT, CLOSING or DONE
}

func acceptedOf(came tasks.AcceptResult) *accepted {
	merchant, outTradeNo, _ := strings.Cut(came.ID, ":")
	return &accepted{came.ID, merchant, outTradeNo, came.Status, came.State}
}

// postOrder takes one order.
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
	ctx, cancel := s.patience(r)
	defer cancel()
	came, _ := s.Producer.Enqueue(ctx, order) // its error is in came too
	noteOrder(r, came.ID)
	if came.Err != nil {
		p := refused(came.Err)
		s.complain(w, r, p, came.Err)
		answerProblem(w, p)
		return
	}
	a := acceptedOf(came)
	w.Header().Set("Location", "/v1/orders/"+a.Merchant+"/"+a.OutTradeNo)
	answer(w, http.StatusAccepted, "application/json", a)
}

// cutOff says why a body could not be read to its end.
func cutOff(err error) problem {
	if _, ok := errors.AsType[*http.MaxBytesError](err); ok {
		return unreadable(tasks.ErrOrderTooLong)
	}
	if errors.Is(err, os.ErrDeadlineExceeded) {
		return problem{Status: http.StatusRequestTimeout, Detail: "the body was too long in coming"}
	}
	return problem{Status: http.StatusBadRequest, Detail: "the body broke off"}
}

// patience is how long a request waits for Redis. It does not end with the caller: an
// order that is on its way into its journal had better arrive with its wake-up.
func (s *server) patience(r *http.Request) (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.WithoutCancel(r.Context()), s.RedisTimeout)
}

// complain logs an error that is not the caller's, and says when to try again.
func (s *server) complain(w http.ResponseWriter, r *http.Request, p problem, err error) {
	if p.Status == http.StatusServiceUnavailable {
		w.Header().Set("Retry-After", "1")
		s.Logger.WarnContext(r.Context(), "a request could not be served", "route", r.Pattern, "error", err)
	}
}
