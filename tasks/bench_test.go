package tasks

import (
	"encoding/json"
	"fmt"
	"testing"

	"github.com/hibiken/asynq"

	"github.com/qfpay-worker/qfpay-worker/tasks/redistest"
)

// The yardstick is asynq's own Enqueue, one by one, without any journal. All are
// against one redis-server through a unix socket; compare within one run only.
func BenchmarkEnqueue(b *testing.B) {
	b.Run("asynq one by one", func(b *testing.B) {
		client := asynq.NewClientFromRedisClient(redistest.Start(b).Client(b))
		orders := benchOrders(b)
		for b.Loop() {
			for _, o := range orders() {
				payload, _ := json.Marshal(o)
				if _, err := client.Enqueue(asynq.NewTask(TypeCreate, payload), asynq.TaskID(o.ID()), asynq.Queue(keys.Queue(o.Lane))); err != nil {
					b.Fatal(err)
				}
			}
		}
		reportOrders(b)
	})
	b.Run("Enqueue one by one", func(b *testing.B) {
		p, orders := NewProducer(redistest.Start(b).Client(b), keys), benchOrders(b)
		for b.Loop() {
			for _, o := range orders() {
				if _, err := p.Enqueue(b.Context(), o); err != nil {
					b.Fatal(err)
				}
			}
		}
		reportOrders(b)
	})
	b.Run("EnqueueAll", func(b *testing.B) {
		p, orders := NewProducer(redistest.Start(b).Client(b), keys), benchOrders(b)
		for b.Loop() {
			if _, err := p.EnqueueAll(b.Context(), orders()); err != nil {
				b.Fatal(err)
			}
		}
		reportOrders(b)
	})
}

const perOp = 1000

// benchOrders returns a function that gives perOp new orders with every call.
func benchOrders(b *testing.B) func() []Order {
	b.Helper()
	n := 0
	return func() []Order {
		orders := make([]Order, perOp)
		for i := range orders {
			n++
			orders[i] = numbered(fmt.Sprint("A", n))
		}
		return orders
	}
}

func reportOrders(b *testing.B) {
	b.ReportMetric(float64(b.N*perOp)/b.Elapsed().Seconds(), "orders/s")
	b.ReportMetric(0, "ns/op")
}
