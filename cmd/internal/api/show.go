package api

import (
	"errors"
	"net/http"

	"github.com/qfpay-worker/qfpay-worker/tasks"
	"github.com/qfpay-worker/qfpay-worker/worker/inspect"
)

// shown is the journal of an order, as qfpay-worker order show prints it as JSON, with separate
// merchant and out_trade_no, and the current result.
type shown struct {
	Merchant   string `json:"merchant"`
	OutTradeNo string `json:"out_trade_no"`
	inspect.History
	Result *tasks.Result `json:"result"` // null if there is none, or it is no longer in the stream
}

// getOrder shows an order.
func (s *server) getOrder(w http.ResponseWriter, r *http.Request) {
	if h, ok := s.history(w, r); ok {
		answer(w, http.StatusOK, "application/json",
			shown{r.PathValue("merchant"), r.PathValue("out_trade_no"), h, resultOf(h)})
	}
}

// resultOf returns the current result of an order, not one from before it was re-opened.
func resultOf(h inspect.History) *tasks.Result {
	if h.State != "DONE" || len(h.Results) == 0 {
		return nil
	}
	return h.Results[len(h.Results)-1].Result
}

// history reads the journal of the order in the path, or answers with a problem.
func (s *server) history(w http.ResponseWriter, r *http.Request) (inspect.History, bool) {
	id, err := tasks.ID(r.PathValue("merchant"), r.PathValue("out_trade_no"))
	if err != nil { // no order can have that name
		answerProblem(w, problem{Status: http.StatusNotFound, Detail: err.Error()})
		return inspect.History{}, false
	}
	if err := recordOf(r).caller.mayRead(r.PathValue("merchant")); err != nil {
		answerProblem(w, unreadable(err))
		return inspect.History{}, false
	}
	noteOrder(r, id)
	ctx, cancel := s.redisContext(r)
	defer cancel()
	h, err := s.Inspector.Order(ctx, id)
	switch {
	case errors.Is(err, inspect.ErrNoOrder):
		answerProblem(w, problem{Status: http.StatusNotFound, Detail: err.Error()})
	case err != nil:
		p := problem{Status: http.StatusServiceUnavailable, Detail: unavailable(err) + "; try again"}
		s.complain(w, r, p, err)
		answerProblem(w, p)
	}
	return h, err == nil
}
