package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"runtime/debug"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/redis/go-redis/v9"
	"github.com/sethvargo/go-retry"

	"github.com/qfpay-worker/qfpay-worker/cmd/internal/build"
	"github.com/qfpay-worker/qfpay-worker/metrics"
	"github.com/qfpay-worker/qfpay-worker/worker"
)

// RunCmd is the worker.
type RunCmd struct{ Config }

// Help is shown by qfpay-worker run --help.
func (*RunCmd) Help() string {
	return "Runs until SIGTERM or SIGINT, then finishes the orders in hand and ends with 0. " +
		"On SIGHUP, and when they change, the merchants file and the key files are read again. " +
		"Any number of processes may share one Redis; they keep the limits of each app_code together."
}

const (
	// reachTimeout is how long a starting worker waits for Redis. In a cluster of
	// containers both start at once.
	reachTimeout  = 10 * time.Second
	scrapeTimeout = 2 * time.Second // what a scrape may cost when Redis is slow
)

// Run works until ctx ends.
func (c *RunCmd) Run(ctx context.Context, std stdio) error {
	collectRarely()
	reload := newReloader(c.GatewayConfig)
	defer reload.close()
	settings, err := c.Resolve()
	if err != nil {
		return err
	}
	log := settings.Log.Logger(std.err)
	clients := settings.connect()
	defer clients.orders.Close()
	if err := reach(ctx, clients.orders, settings.Redis, log); err != nil {
		return err
	}
	if err := checkRedis(ctx, clients.orders, settings, log); err != nil {
		return err
	}
	return withAPI(ctx, settings, log, func(ctx context.Context) error {
		return serve(ctx, settings, reload, clients, log)
	})
}

// clients are the worker's connections to Redis, apart by what they are for. The last two
// end with the process: see [worker.Worker.Close].
type clients struct {
	orders, queue, blocking redis.UniversalClient
}

func (s Settings) connect() clients {
	return clients{
		orders:   s.Redis.Connect("qfpay-worker", 2*s.Concurrency+8),
		queue:    s.Redis.Connect("qfpay-worker:queue", 0),
		blocking: s.Redis.Connect("qfpay-worker:blocking", 0),
	}
}

// collectRarely has the garbage collector come when the heap is five times what is in use,
// instead of twice: what is in use is a few MB, and to go through it for each few MB more is
// work saved. GOGC in the environment has the last word.
func collectRarely() {
	if os.Getenv("GOGC") != "" {
		return
	}
	debug.SetGCPercent(400)
}

// reach waits until Redis answers.
func reach(ctx context.Context, rdb redis.UniversalClient, at Redis, log *slog.Logger) error {
	b := retry.WithMaxDuration(reachTimeout, retry.WithJitterPercent(20, retry.NewConstant(500*time.Millisecond)))
	var last error
	err := retry.Do(ctx, b, func(ctx context.Context) error {
		if last = rdb.Ping(ctx).Err(); last != nil {
			log.Warn("Redis does not answer yet", "redis", at.String(), "error", last)
			return retry.RetryableError(last)
		}
		return nil
	})
	switch {
	case err == nil:
		return nil
	case ctx.Err() != nil && last == nil:
		return err
	default:
		return fmt.Errorf("REDIS_URL: %s does not answer: %w", at, last)
	}
}

// serve runs the worker and its pages until ctx ends or the pages cannot be served.
func serve(ctx context.Context, s Settings, reload *reloader, redis clients, log *slog.Logger) error {
	registry := prometheus.NewRegistry()
	m := metrics.New(registry, metrics.BuildInfo(build.Read()), namesOf(s.Merchants))
	registry.MustRegister(m.Queues(redis.orders, s.Keys, scrapeTimeout))
	showLimits(m, s.Merchants)

	w, err := worker.New(s.workerConfig(redis, m, log))
	if err != nil {
		return err
	}
	listener, err := net.Listen("tcp", s.HTTPAddr)
	if err != nil {
		return fmt.Errorf("WORKER_HTTP_ADDR: %w", err)
	}
	log.Info("serving /metrics, /healthz and /readyz", "addr", listener.Addr().String())
	pages := &http.Server{Handler: metrics.Mux(registry, w.Ready), ReadHeaderTimeout: 5 * time.Second}
	served := make(chan error, 1)
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	go func() {
		served <- pages.Serve(listener)
		stop() // a worker nobody can watch must not go on
	}()
	defer reload.start(ctx, log, putInForce(w, m, s.Merchants))()
	err = w.Run(ctx) // the pages are served until the last order is done
	pages.Close()
	if pagesErr := <-served; !errors.Is(pagesErr, http.ErrServerClosed) {
		err = errors.Join(err, fmt.Errorf("WORKER_HTTP_ADDR: %w", pagesErr))
	}
	return err
}

func (s Settings) workerConfig(redis clients, m *metrics.Metrics, log *slog.Logger) worker.Config {
	return worker.Config{
		Redis:           redis.orders,
		Queue:           redis.queue,
		Blocking:        redis.blocking,
		Keys:            s.Keys,
		Merchants:       forWorker(s.Merchants),
		CallTimeout:     s.Timeout,
		Verify:          s.Verify,
		LostResponse:    worker.LostResponse(s.LostResponse),
		UniqueNumbers:   s.UniqueNumbers,
		Concurrency:     s.Concurrency,
		ShutdownTimeout: s.ShutdownTimeout,
		Durability:      s.Durability,
		ResultsKeep:     s.ResultsKeep,
		HighWater:       s.HighWater,
		Observer:        m,
		Logger:          log,
	}
}
