package main

import (
	"context"
	"fmt"
	"os"
	"strconv"
	"sync"
	"time"

	"github.com/hibiken/asynq"
	"github.com/redis/go-redis/v9"

	"github.com/qfpay-worker/qfpay-worker/bench/rig"
	"github.com/qfpay-worker/qfpay-worker/tasks"
)

// environment is the environment of a measurement: one Redis and one gateway.
type environment struct {
	rig     *rig.Rig
	redis   *rig.Redis
	gateway *rig.Gateway
	runs    int
}

// series is a prefix for order numbers that the gateway has not seen before.
func (s *environment) series() string {
	s.runs++
	return fmt.Sprint("S", s.runs)
}

// newEnvironment starts a Redis, and a gateway that answers after latency.
func newEnvironment(ctx context.Context, r *rig.Rig, latency time.Duration) (*environment, error) {
	redis, err := r.StartRedis(ctx)
	if err != nil {
		return nil, err
	}
	gateway, err := r.StartGateway(ctx, rig.Merchants, latency)
	return &environment{rig: r, redis: redis, gateway: gateway}, err
}

// close ends both. It ignores errors, which do not affect any figure.
func (s *environment) close() {
	s.redis.Client.Close()
	s.redis.Kill()
	s.gateway.Kill()
}

// candidate is a worker to measure, with its producer and its result stream.
type candidate struct {
	name     string
	results  string // the stream
	start    func(context.Context, *environment) (*rig.Process, error)
	producer func(*redis.Client) enqueuer
}

// enqueuer is a producer for the candidate.
type enqueuer struct {
	one  func(context.Context, tasks.Order) error
	many func(context.Context, []tasks.Order) error // in the fastest way
}

// keys are the worker's default keys.
var keys = tasks.Keys{Prefix: tasks.DefaultPrefix}

// ours is qfpay-worker with additional settings.
func ours(settings ...string) candidate {
	return candidate{
		name:    "qfpay-worker",
		results: keys.Results(),
		start: func(ctx context.Context, s *environment) (*rig.Process, error) {
			w, err := s.rig.StartWorker(ctx, s.redis, s.gateway, settings...)
			if err != nil {
				return nil, err
			}
			return w.Process, nil
		},
		producer: ourProducer,
	}
}

// plain is the plain asynq handler. 0 means asynq's default.
func plain(name string, concurrency int, poll time.Duration) candidate {
	return candidate{
		name:    name,
		results: baselineResults,
		start: func(_ context.Context, s *environment) (*rig.Process, error) {
			self, err := os.Executable()
			if err != nil {
				return nil, err
			}
			return s.rig.Start("baseline", nil, self, "baseline", "--redis", s.redis.Addr, "--gateway", s.gateway.URL,
				"--concurrency", strconv.Itoa(concurrency), "--poll", poll.String())
		},
		producer: plainProducer,
	}
}

func ourProducer(rdb *redis.Client) enqueuer {
	p := tasks.NewProducer(rdb, keys)
	return enqueuer{
		one: func(ctx context.Context, o tasks.Order) error {
			_, err := p.Enqueue(ctx, o)
			return err
		},
		many: func(ctx context.Context, orders []tasks.Order) error {
			_, err := p.EnqueueAll(ctx, orders)
			return err
		},
	}
}

func plainProducer(rdb *redis.Client) enqueuer {
	client := asynq.NewClientFromRedisClient(rdb)
	one := func(ctx context.Context, o tasks.Order) error {
		_, err := client.EnqueueContext(ctx, asynq.NewTask(tasks.TypeCreate, payload(o)),
			asynq.TaskID(o.OutTradeNo), asynq.Queue(baselineQueue))
		return err
	}
	return enqueuer{one: one, many: func(ctx context.Context, orders []tasks.Order) error {
		return inParallel(16, orders, func(o tasks.Order) error { return one(ctx, o) })
	}}
}

// inParallel processes all orders, n at a time, and returns the first error.
func inParallel(n int, orders []tasks.Order, do func(tasks.Order) error) error {
	next, failed := make(chan tasks.Order), make(chan error, n)
	var all sync.WaitGroup
	for range n {
		all.Go(func() {
			for o := range next {
				if err := do(o); err != nil {
					select {
					case failed <- err:
					default:
					}
				}
			}
		})
	}
	for _, o := range orders {
		next <- o
	}
	close(next)
	all.Wait()
	select {
	case err := <-failed:
		return err
	default:
		return nil
	}
}

// with starts a candidate on an empty Redis, runs the measurement, and stops it.
func (c candidate) with(ctx context.Context, s *environment, measure func(*rig.Process) error) error {
	if err := s.redis.Client.FlushAll(ctx).Err(); err != nil {
		return err
	}
	return c.running(ctx, s, measure)
}

// running is like with, but keeps the content of Redis.
func (c candidate) running(ctx context.Context, s *environment, measure func(*rig.Process) error) error {
	p, err := c.start(ctx, s)
	if err != nil {
		return err
	}
	if err := measure(p); err != nil {
		p.Kill()
		return fmt.Errorf("%s: %w", c.name, err)
	}
	return p.Stop()
}
