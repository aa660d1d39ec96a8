package worker

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/qfpay-worker/qfpay-worker/qfpay/simulator"
	"github.com/qfpay-worker/qfpay-worker/tasks"
	"github.com/qfpay-worker/qfpay-worker/worker/internal/journal"
	"github.com/qfpay-worker/qfpay-worker/worker/internal/redisscript"
)

// The journal's scripts on an order's normal course, one after the other, over a Unix
// socket: nothing shares their way.
func BenchmarkClaimIntentSettle(b *testing.B) {
	r := newRig(b, simulator.Config{})
	orders := make([]tasks.Order, b.N)
	for i := range orders {
		orders[i] = anOrder(fmt.Sprint("J", i))
	}
	accepted, err := r.producer().EnqueueAll(b.Context(), orders)
	ok(b, err)
	j := &journal.Journal{Redis: r.rdb, Scripts: redisscript.NewPipelinedClient(r.rdb), Keys: r.keys, Times: slowTimes()}
	published := outcome(tasks.Created)
	b.ReportAllocs()
	b.ResetTimer()
	for _, a := range accepted {
		c, err := j.Claim(b.Context(), a.ID, "token")
		ok(b, err)
		ok(b, j.Intent(b.Context(), &c))
		_, err = j.Settle(b.Context(), &c, published)
		ok(b, err)
	}
}

// One order at a time on an idle worker, with a gateway that answers at once: what
// this project adds to the gateway's own time, from enqueue to the result's arrival
// at a waiting consumer.
func BenchmarkIdleEnqueueToResult(b *testing.B) {
	r := newRig(b, simulator.Config{})
	defer r.start()()
	p, last := r.producer(), "0"
	var took []time.Duration
	for i := 0; b.Loop(); i++ {
		began := time.Now()
		if _, err := p.Enqueue(context.Background(), anOrder(fmt.Sprint("L", i))); err != nil {
			b.Fatal(err)
		}
		read, err := r.rdb.XRead(context.Background(), &redis.XReadArgs{Streams: []string{r.keys.Results(), last}, Block: time.Minute}).Result()
		if err != nil {
			b.Fatal(err)
		}
		took = append(took, time.Since(began))
		last = read[0].Messages[0].ID
	}
	slices.Sort(took)
	for _, q := range []int{50, 99} {
		b.ReportMetric(float64(took[len(took)*q/100].Microseconds())/1000, fmt.Sprintf("p%d-ms", q))
	}
}

// Many orders at once, without limits: the price of journal, policy and stream.
func BenchmarkOrdersThrough(b *testing.B) {
	r := newRig(b, simulator.Config{})
	r.config.Concurrency = 64
	r.enqueue(b.N, nil)
	b.ResetTimer()
	stop := r.start()
	r.results(b.N)
	b.StopTimer()
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "orders/s")
	stop()
}
