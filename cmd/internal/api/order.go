package api

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"os"
	"slices"
	"strings"

	"github.com/qfpay-worker/qfpay-worker/tasks"
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

// accepted is the answer to an accepted order.
type accepted struct {
	ID         string             `json:"id"`
	Merchant   string             `json:"merchant"`
	OutTradeNo string             `json:"out_trade_no"`
	Acceptance tasks.AcceptStatus `json:"acceptance"`
	State      string             `json:"state"` // of the order: NEW, SENT, CLOSING or DONE
	Warning    string             `json:"warning,omitempty"`
}

func acceptedOf(a tasks.AcceptResult) *accepted {
	merchant, outTradeNo, _ := strings.Cut(a.ID, ":")
	return &accepted{ID: a.ID, Merchant: merchant, OutTradeNo: outTradeNo, Acceptance: a.Status, State: a.State}
}

// warn warns about accepted orders whose merchants no running worker has. The orders are accepted: an
// error of Redis is ignored.
func (s *server) warn(ctx context.Context, all ...*accepted) {
	var merchants []string
	for _, a := range all {
		if a != nil && a.State != "DONE" {
			merchants = append(merchants, a.Merchant)
		}
	}
	without, _ := s.Producer.WithoutWorker(ctx, merchants...)
	for _, a := range all {
		if a == nil || a.State == "DONE" {
			continue
		}
		if _, is := slices.BinarySearch(without, a.Merchant); is {
			a.Warning = "no running worker has merchant " + a.Merchant + "; the order waits until one has it, or expires"
		}
	}
}

// byteOrderMark may begin a text in UTF-8.
const byteOrderMark = "\uFEFF"

// postOrder accepts one order.
func (s *server) postOrder(w http.ResponseWriter, r *http.Request) {
	if r.ContentLength > int64(len(byteOrderMark)+tasks.MaxOrderBytes) {
		answerProblem(w, tooLong())
		return
	}
	text, err := io.ReadAll(http.MaxBytesReader(w, r.Body, int64(len(byteOrderMark)+tasks.MaxOrderBytes)))
	if err != nil {
		answerProblem(w, cutOff(err))
		return
	}
	order, err := tasks.ParseOrder(bytes.TrimPrefix(text, []byte(byteOrderMark)))
	if err == nil {
		err = recordOf(r).caller.mayOrder(order)
	}
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
	s.warn(ctx, a)
	w.Header().Set("Location", "/v1/orders/"+a.Merchant+"/"+a.OutTradeNo)
	answer(w, http.StatusAccepted, "application/json", a)
}

// tooLong returns the problem for a body that is longer than an order can be.
func tooLong() problem {
	p := unreadable(tasks.ErrOrderTooLong)
	p.Detail += "; send many orders as " + manyOrders + ", one per line"
	return p
}

// cutOff returns the problem for a body that could not be read to its end.
func cutOff(err error) problem {
	if _, ok := errors.AsType[*http.MaxBytesError](err); ok {
		return tooLong()
	}
	if errors.Is(err, os.ErrDeadlineExceeded) {
		return problem{Status: http.StatusRequestTimeout, Detail: "the body took too long to arrive"}
	}
	return problem{Status: http.StatusBadRequest, Detail: "the body is incomplete"}
}
