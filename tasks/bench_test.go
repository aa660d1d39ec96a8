package tasks

import (
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/hibiken/asynq"
	"github.com/redis/go-redis/v9"

	"github.com/qfpay-worker/qfpay-worker/internal/redistest"
)

// The baseline is asynq's own Enqueue, one by one, without a journal. Every round runs all
// ways in turn, so that other load on the machine affects them equally; compare only within
// one run. The benchmark reports medians over the rounds: the orders per second of
// EnqueueAll, how many times faster that is than each other way, and how many times less CPU
// it takes, including that of redis-server. Redis is connected by TCP, as for producers.
func BenchmarkEnqueue(b *testing.B) {
	server := redistest.StartTCP(b)
	rdb := redis.NewClient(&redis.Options{Addr: server.Addr})
	defer rdb.Close()
	client, p := asynq.NewClientFromRedisClient(rdb), NewProducer(rdb, keys)
	ways := map[string]func([]Order) error{
		"asynq": func(orders []Order) error {
			for _, o := range orders {
				payload, _ := json.Marshal(o)
				if _, err := client.Enqueue(asynq.NewTask(TypeCreate, payload), asynq.TaskID("plain:"+o.ID()), asynq.Queue(keys.Queue(o.Lane))); err != nil {
					return err
				}
			}
			return nil
		},
		"Enqueue": func(orders []Order) error {
			for _, o := range orders {
				if _, err := p.Enqueue(b.Context(), o); err != nil {
					return err
				}
			}
			return nil
		},
		"EnqueueAll": func(orders []Order) error {
			_, err := p.EnqueueAll(b.Context(), orders)
			return err
		},
	}
	wall, cpu := map[string][]float64{}, map[string][]float64{}
	next := benchOrders()
	for b.Loop() {
		for name, enqueue := range ways {
			orders := next()
			began, before := time.Now(), cpuTime(b, rdb)
			if err := enqueue(orders); err != nil {
				b.Fatal(err)
			}
			wall[name] = append(wall[name], time.Since(began).Seconds())
			cpu[name] = append(cpu[name], (cpuTime(b, rdb) - before).Seconds())
		}
		if err := rdb.FlushDB(b.Context()).Err(); err != nil { // every round begins with the same Redis
			b.Fatal(err)
		}
	}
	b.ReportMetric(perOp/median(wall["EnqueueAll"]), "orders/s")
	for _, other := range []string{"asynq", "Enqueue"} {
		b.ReportMetric(median(ratios(wall[other], wall["EnqueueAll"])), "x-"+other)
		b.ReportMetric(median(ratios(cpu[other], cpu["EnqueueAll"])), "x-"+other+"-cpu")
	}
	b.ReportMetric(0, "ns/op")
}

const perOp = 2000

// benchOrders returns a function that returns perOp new orders with every call.
func benchOrders() func() []Order {
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

// cpuTime returns the CPU time of this process and redis-server.
func cpuTime(b *testing.B, rdb *redis.Client) time.Duration {
	b.Helper()
	var own syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &own); err != nil {
		b.Fatal(err)
	}
	info, err := rdb.Info(b.Context(), "cpu").Result()
	if err != nil {
		b.Fatal(err)
	}
	sum := time.Duration(own.Utime.Nano() + own.Stime.Nano())
	for line := range strings.Lines(info) {
		name, value, _ := strings.Cut(strings.TrimSpace(line), ":")
		if s, err := strconv.ParseFloat(value, 64); err == nil && (name == "used_cpu_user" || name == "used_cpu_sys") {
			sum += time.Duration(s * float64(time.Second))
		}
	}
	return sum
}

func ratios(a, b []float64) []float64 {
	all := make([]float64, len(a))
	for i := range a {
		all[i] = a[i] / b[i]
	}
	return all
}

func median(all []float64) float64 {
	all = slices.Sorted(slices.Values(all))
	return all[len(all)/2]
}
