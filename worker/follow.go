package worker

import (
	"maps"
	"slices"

	"github.com/qfpay-worker/qfpay-worker/qfpay"
	"github.com/qfpay-worker/qfpay-worker/worker/payments"
)

// newFollower returns a follower of the codes of this worker's merchants.
func (w *Worker) newFollower() *payments.Follower {
	merchants := func() map[string]*merchantState { return w.handler.merchants.Load().byName }
	return &payments.Follower{
		Book:      &payments.Book{Redis: w.config.Redis, Keys: w.config.Keys, Observer: w.config.Observer, Logger: w.config.Logger},
		Merchants: func() []string { return slices.Sorted(maps.Keys(merchants())) },
		Client: func(name string) *qfpay.Client {
			m := merchants()[name]
			if m == nil {
				return nil
			}
			client := *m.client
			if m.limiter != nil {
				client.Limiter = m.limiter.Follower()
			}
			return &client
		},
	}
}
