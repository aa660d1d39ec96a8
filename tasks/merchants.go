package tasks

import (
	"context"
	"slices"

	"github.com/qfpay-worker/qfpay-worker/internal/redispipe"
)

// WithoutWorker returns those of the merchants that no running worker has, sorted. Their orders are
// accepted all the same; they wait until a worker has the merchant, or expire at their deadline. So
// ask after enqueuing, once for many orders, and tell a person: the name may be misspelt.
//
// While no worker runs, as far as Redis shows, it returns none. A worker counts as running until 15 s
// after its end. The error is one of Redis.
func (p *Producer) WithoutWorker(ctx context.Context, merchants ...string) ([]string, error) {
	if len(merchants) == 0 {
		return nil, nil
	}
	merchants = slices.Compact(slices.Sorted(slices.Values(merchants)))
	pipe := p.rdb.Pipeline()
	running, told := pipe.Exists(ctx, p.keys.Merchants()), pipe.HMGet(ctx, p.keys.Merchants(), merchants...)
	if err := redispipe.Exec(ctx, pipe); err != nil || running.Val() == 0 {
		return nil, err
	}
	var without []string
	for i, till := range told.Val() {
		if till == nil {
			without = append(without, merchants[i])
		}
	}
	return without, nil
}
