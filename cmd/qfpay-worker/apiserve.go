package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"sync"

	"github.com/qfpay-worker/qfpay-worker/cmd/internal/api"
	"github.com/qfpay-worker/qfpay-worker/metrics"
	"github.com/qfpay-worker/qfpay-worker/tasks"
	"github.com/qfpay-worker/qfpay-worker/worker/batches"
	"github.com/qfpay-worker/qfpay-worker/worker/event"
	"github.com/qfpay-worker/qfpay-worker/worker/inspect"
)

// withAPI runs work, and serves the HTTP API beside it if that is configured. When ctx
// ends, the API accepts no more requests, and the requests and orders in flight are
// finished. If the API cannot be served, the worker ends.
func withAPI(ctx context.Context, s Settings, m *metrics.Metrics, log *slog.Logger, work func(context.Context) error) error {
	if s.API.Addr == "" {
		return work(ctx)
	}
	listener, err := net.Listen("tcp", s.API.Addr)
	if err != nil {
		return fmt.Errorf("WORKER_API_ADDR: %w", err)
	}
	// A separate client: many requests must not use up the worker's connections.
	rdb := s.Redis.Connect("qfpay-worker:api", 0)
	defer rdb.Close()
	if s.API.Certificate != nil {
		s.API.Certificate.LogTo(log)
	}
	log.Info("taking orders over HTTP", "addr", listener.Addr().String(), "tls", s.API.Certificate != nil)

	ctx, stop := context.WithCancel(ctx)
	var following sync.WaitGroup
	defer following.Wait()
	defer stop()
	following.Go(func() { s.API.Callers.follow(ctx, pollInterval, log) })
	served := make(chan error, 1)
	go func() {
		served <- api.Serve(ctx, listener, s.API.Certificate, s.ShutdownTimeout, api.Config{
			Producer: tasks.NewProducer(rdb, s.Keys).WithDurability(s.Durability).WithHighWater(s.HighWater).WithGoodsName(s.GoodsName).
				OnFailedWake(func() { m.Observe(event.RedisFailed{Op: "wake"}) }),
			Inspector: inspect.New(rdb, s.Keys).Observed(m),
			Batches:   batches.New(rdb, s.Keys),
			Results:   tasks.NewResults(rdb, s.Keys),
			Payments:  tasks.NewPayments(rdb, s.Keys),
			Callers:   s.API.Callers.Callers,
			Dropped:   m.Dropped("api"),
			Logger:    log,
		})
		stop()
	}()
	err = work(ctx)
	stop()
	if apiErr := <-served; apiErr != nil {
		err = errors.Join(err, fmt.Errorf("WORKER_API_ADDR: %w", apiErr))
	}
	return err
}
