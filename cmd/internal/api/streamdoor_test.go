package api

import (
	"context"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/qfpay-worker/qfpay-worker/qfpay"
	"github.com/qfpay-worker/qfpay-worker/worker"
)

// byStream puts orders on the request stream, for a worker that takes them in. It has none
// of their merchants, so that it leaves them as they are.
func byStream(r *rig, orders []string) []string {
	at := map[string]int{}
	for i, order := range orders {
		id, err := r.rdb.XAdd(r.t.Context(), &redis.XAddArgs{Stream: keys.Requests(), Values: []any{"order", order}}).Result()
		if err != nil {
			r.t.Fatal(err)
		}
		at[id] = i
	}
	stop := r.takeIn()
	defer stop()
	for end := time.Now().Add(time.Minute); r.rdb.XLen(r.t.Context(), keys.Requests()).Val() > 0; {
		if time.Now().After(end) {
			r.t.Fatal("requests are left after a minute")
		}
		time.Sleep(time.Millisecond) // the pause of a poll
	}
	reasons := make([]string, len(orders))
	for _, refused := range r.rdb.XRange(r.t.Context(), keys.Rejected(), "-", "+").Val() {
		if i, ours := at[refused.Values["id"].(string)]; ours {
			reasons[i] = refused.Values["reason"].(string)
		}
	}
	return reasons
}

// takeIn runs a worker of a merchant that no order names.
func (r *rig) takeIn() (stop func()) {
	queue := r.redis.Client(r.t)
	w, err := worker.New(worker.Config{Redis: r.rdb, Queue: queue, Keys: keys,
		Merchants:   []worker.Merchant{{Merchant: qfpay.Merchant{Name: "nobody-s", BaseURL: "http://127.0.0.1:1", AppCode: "A", Key: "k"}}},
		CallTimeout: time.Second, LostResponse: worker.Auto, UniqueNumbers: true, Concurrency: 4, ShutdownTimeout: 2 * time.Second})
	if err != nil {
		r.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- w.Run(ctx) }()
	return func() {
		cancel()
		if err := <-ended; err != nil {
			r.t.Error(err)
		}
	}
}
