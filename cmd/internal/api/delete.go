package api

import (
	"errors"
	"net/http"

	"github.com/qfpay-worker/qfpay-worker/tasks"
	"github.com/qfpay-worker/qfpay-worker/worker/inspect"
)

// cancelled is the answer to a request to cancel an order.
type cancelled struct {
	ID           string               `json:"id"`
	Merchant     string               `json:"merchant"`
	OutTradeNo   string               `json:"out_trade_no"`
	Cancellation inspect.CancelStatus `json:"cancellation"` // cancelled, closed, asked or closing
	State        string               `json:"state"`
	Outcome      tasks.Outcome        `json:"outcome,omitempty"`
}

// deleteOrder asks to cancel an order, and answers how far that is: 200 when it cannot be paid any more, 202 when the
// workers have to clear that up.
func (s *server) deleteOrder(w http.ResponseWriter, r *http.Request) {
	merchant := r.PathValue("merchant")
	id, err := tasks.ID(merchant, r.PathValue("out_trade_no"))
	if err != nil { // no order can have that name
		answerProblem(w, problem{Status: http.StatusNotFound, Detail: err.Error()})
		return
	}
	if err := recordOf(r).caller.mayCancel(merchant); err != nil {
		answerProblem(w, unreadable(err))
		return
	}
	noteOrder(r, id)
	ctx, cancel := s.redisContext(r)
	defer cancel()
	c, err := s.Inspector.Cancel(ctx, id)
	if err != nil {
		p := notCancelled(id, err)
		s.complain(w, r, p, err)
		answerProblem(w, p)
		return
	}
	a := cancelled{id, merchant, r.PathValue("out_trade_no"), c.Status, c.State, c.Outcome}
	switch {
	case c.Status.Done():
		answer(w, http.StatusOK, "application/json", a)
	case c.Status.Waits():
		answer(w, http.StatusAccepted, "application/json", a)
	default:
		answerProblem(w, problem{Status: http.StatusConflict, Detail: whyOpen[c.Status], ID: id, State: c.State, Outcome: string(c.Outcome)})
	}
}

// whyOpen says why a published QR code was not closed.
var whyOpen = map[inspect.CancelStatus]string{
	inspect.CancelPaid:  "the order was paid before it could be closed",
	inspect.CancelNot:   "QFPay has no way to close an order of this pay type: its QR code can be paid until it runs out",
	inspect.CancelVague: "QFPay did not show what became of the order; look at it there",
}

// notCancelled returns the problem of an order that was not cancelled.
func notCancelled(id string, err error) problem {
	not, is := errors.AsType[*inspect.NotCancelled](err)
	switch {
	case errors.Is(err, inspect.ErrNoOrder):
		return problem{Status: http.StatusNotFound, Detail: err.Error()}
	case is && not.Outcome != "":
		return problem{Status: http.StatusConflict, Detail: err.Error(), ID: id, State: "DONE", Outcome: string(not.Outcome)}
	case is:
		return problem{Status: http.StatusConflict, Detail: err.Error(), ID: id}
	}
	return problem{Status: http.StatusServiceUnavailable, Detail: unavailable(err) + "; try again: this is safe"}
}
