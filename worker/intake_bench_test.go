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
	"github.com/qfpay-worker/qfpay-worker/worker/internal/streams"
)

// What the request stream costs beside EnqueueAll of the same orders, in the same run and
// by turns. The entries are there before the intake begins, as when producers are ahead.
func BenchmarkIntake(b *testing.B) {
	const orders = 20_000
	r := newRig(b, simulator.Config{})
	var direct, stream []float64
	for n := 0; b.Loop(); n++ {
		all := func(way string) []tasks.Order {
			batch := make([]tasks.Order, orders)
			for i := range batch {
				batch[i] = anOrder(fmt.Sprint(way, n, "-", i))
			}
			return batch
		}
		began, batch := time.Now(), all("D")
		if _, err := r.producer().EnqueueAll(b.Context(), batch); err != nil {
			b.Fatal(err)
		}
		direct = append(direct, time.Since(began).Seconds())
		r.fill(all("S"))
		began = time.Now()
		ctx, cancel := context.WithCancel(b.Context())
		ended := make(chan struct{})
		go func() {
			defer close(ended)
			streams.NewIntake(r.intakeConfig(), r.producer()).Run(ctx)
		}()
		for r.rdb.XLen(b.Context(), r.keys.Requests()).Val() > 0 {
			time.Sleep(5 * time.Millisecond) // polling, seldom enough to cost nothing
		}
		stream = append(stream, time.Since(began).Seconds())
		cancel()
		<-ended
		r.rdb.FlushDB(b.Context())
	}
	ratios := make([]float64, len(direct))
	for i := range direct {
		ratios[i] = direct[i] / stream[i]
	}
	slices.Sort(ratios)
	slices.Sort(stream)
	b.ReportMetric(orders/stream[len(stream)/2], "orders/s")
	b.ReportMetric(100*ratios[len(ratios)/2], "%-of-EnqueueAll")
	b.ReportMetric(0, "ns/op")
}

// fill puts orders on the request stream.
func (r *rig) fill(orders []tasks.Order) {
	r.t.Helper()
	for chunk := range slices.Chunk(orders, 500) {
		_, err := r.rdb.Pipelined(r.t.Context(), func(pipe redis.Pipeliner) error {
			for _, o := range chunk {
				pipe.XAdd(r.t.Context(), &redis.XAddArgs{Stream: r.keys.Requests(), Values: requestOf(o)})
			}
			return nil
		})
		if err != nil {
			r.t.Fatal(err)
		}
	}
}

// One order at a time on an idle stream: from XADD to the journal.
func BenchmarkIdleRequestToAccepted(b *testing.B) {
	r := newRig(b, simulator.Config{})
	ctx, cancel := context.WithCancel(b.Context())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		streams.NewIntake(r.intakeConfig(), r.producer()).Run(ctx)
	}()
	defer func() { cancel(); <-ended }()
	var took []time.Duration
	for i := 0; b.Loop(); i++ {
		o := anOrder(fmt.Sprint("L", i)).WithDefaults(time.Now())
		began := time.Now()
		r.request(requestOf(o)...)
		for r.rdb.Exists(b.Context(), r.keys.Order(o.ID())).Val() == 0 { // each look takes a round trip
			if time.Since(began) > time.Minute {
				b.Fatal("not accepted")
			}
		}
		took = append(took, time.Since(began))
	}
	slices.Sort(took)
	for _, q := range []int{50, 99} {
		b.ReportMetric(float64(took[len(took)*q/100].Microseconds())/1000, fmt.Sprintf("p%d-ms", q))
	}
}

// intakeConfig is the rig's configuration for an intake that runs by itself.
func (r *rig) intakeConfig() streams.Config {
	return streams.Config{Redis: r.rdb, Blocking: r.rdb, Keys: r.keys, Observer: r.events, Logger: r.config.Logger}
}
