package api

import (
	"bytes"
	"errors"
	"io"
	"net/http"
	"os"
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
}

func acceptedOf(a tasks.AcceptResult) *accepted {
	merchant, outTradeNo, _ := strings.Cut(a.ID, ":")
	return &accepted{a.ID, merchant, outTradeNo, a.Status, a.State}
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
