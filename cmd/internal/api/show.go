package api

import (
	"errors"
	"net/http"

	"github.com/qfpay-worker/qfpay-worker/tasks"
	"github.com/qfpay-worker/qfpay-worker/worker"
)

// shown is an order as its journal has it: what qfpay-worker order show prints as
// JSON, its names apart, and its result at hand.
type shown struct {
	Merchant   string `json:"merchant"`
	OutTradeNo string `json:"out_trade_no"`
	worker.History
	Result *tasks.Result `json:"result"` // null while there is none, and when the stream has it no more
}

// getOrder shows an order.
func (s *server) getOrder(w http.ResponseWriter, r *http.Request) {
	if h, ok := s.history(w, r); ok {
		answer(w, http.StatusOK, "application/json",
			shown{r.PathValue("merchant"), r.PathValue("out_trade_no"), h, resultOf(h)})
	}
}

// resultOf returns the result that an order has. One that it had before it was
// re-opened is not it.
func resultOf(h worker.History) *tasks.Result {
	if h.State != "DONE" || len(h.Results) == 0 {
		return nil
	}
	return h.Results[len(h.Results)-1].Result
}

// history reads the journal of the order that the path names, or answers why not.
func (s *server) history(w http.ResponseWriter, r *http.Request) (worker.History, bool) {
	id, err := tasks.ID(r.PathValue("merchant"), r.PathValue("out_trade_no"))
	if err != nil { // no order can have that name
		answerProblem(w, problem{Status: http.StatusNotFound, Detail: err.Error()})
		return worker.History{}, false
	}
	noteOrder(r, id)
	ctx, cancel := s.patience(r)
	defer cancel()
	h, err := s.Inspector.Order(ctx, id)
	switch {
	case errors.Is(err, worker.ErrNoOrder):
		answerProblem(w, problem{Status: http.StatusNotFound, Detail: err.Error()})
	case err != nil:
		p := problem{Status: http.StatusServiceUnavailable, Detail: "Redis does not answer; ask again"}
		s.complain(w, r, p, err)
		answerProblem(w, p)
	}
	return h, err == nil
}
