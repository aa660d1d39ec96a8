package api

import (
	"context"
	"errors"
	"net/http"

	"github.com/qfpay-worker/qfpay-worker/tasks"
	"github.com/qfpay-worker/qfpay-worker/worker/batches"
)

// getBatch shows a batch, as qfpay-worker batch show prints it as JSON.
func (s *server) getBatch(w http.ResponseWriter, r *http.Request) {
	name, caller := r.PathValue("name"), recordOf(r).caller
	note(r, "batch", name)
	if !caller.Read {
		answerProblem(w, problem{Status: http.StatusForbidden, Detail: "the token of " + caller.Name + " may not read batches"})
		return
	}
	ctx, cancel := s.redisContext(r)
	defer cancel()
	b, err := s.batch(ctx, name, caller)
	switch {
	case errors.Is(err, batches.ErrNoBatch):
		answerProblem(w, problem{Status: http.StatusNotFound, Detail: "no such batch, or one with orders of merchants that the token is not for"})
	case err != nil:
		p := problem{Status: http.StatusServiceUnavailable, Detail: unavailable(err) + "; try again"}
		s.complain(w, r, p, err)
		answerProblem(w, p)
	default:
		answer(w, http.StatusOK, "application/json", b)
	}
}

// batch reads a batch if the caller may read the orders of all its merchants; otherwise it does not
// tell that there is one.
func (s *server) batch(ctx context.Context, name string, caller *Caller) (batches.Batch, error) {
	if !tasks.ValidBatch(name) {
		return batches.Batch{}, batches.ErrNoBatch
	}
	b, err := s.Batches.Counters(ctx, name)
	if err != nil {
		return b, err
	}
	for _, m := range b.Merchants {
		if !caller.mayUse(m.Merchant) {
			return b, batches.ErrNoBatch
		}
	}
	select { // a forecast walks all orders that wait: one at a time
	case s.forecasts <- struct{}{}:
		defer func() { <-s.forecasts }()
	case <-ctx.Done():
		return b, ctx.Err()
	}
	return s.Batches.WithForecast(ctx, b)
}
