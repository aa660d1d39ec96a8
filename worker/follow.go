package worker

import (
	"maps"
	"slices"

	"github.com/qfpay-worker/qfpay-worker/qfpay"
	"github.com/qfpay-worker/qfpay-worker/worker/internal/merchants"
	"github.com/qfpay-worker/qfpay-worker/worker/payments"
)

// newFollower returns a follower of the codes of this worker's merchants.
func (w *Worker) newFollower() *payments.Follower {
	own := func() map[string]*merchants.State { return w.handler.Merchants.Load().ByName }
	return &payments.Follower{
		Book:      &payments.Book{Redis: w.config.Redis, Keys: w.config.Keys, Observer: w.config.Observer, Logger: w.config.Logger},
		Merchants: func() []string { return slices.Sorted(maps.Keys(own())) },
		Client: func(name string) *qfpay.Client {
			m := own()[name]
			if m == nil {
				return nil
			}
			client := *m.Client
			if m.Limiter != nil {
				client.Limiter = m.Limiter.Follower()
			}
			return &client
		},
	}
}
