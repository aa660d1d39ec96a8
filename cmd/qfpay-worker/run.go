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
	"github.com/qfpay-worker/qfpay-worker/cmd/internal/conns"
	"github.com/qfpay-worker/qfpay-worker/cmd/internal/notify"
	"github.com/qfpay-worker/qfpay-worker/cmd/internal/redischeck"
	"github.com/qfpay-worker/qfpay-worker/metrics"
	"github.com/qfpay-worker/qfpay-worker/qfpay"
	"github.com/qfpay-worker/qfpay-worker/worker"
)

// RunCmd runs the worker.
type RunCmd struct{ Config }

// Help is shown by qfpay-worker run --help.
func (*RunCmd) Help() string {
	return "Runs until SIGTERM or SIGINT, then finishes the orders in flight and exits with 0. " +
		"Reads the merchants file and the key files again on SIGHUP, and when they change. " +
		"Any number of processes may share one Redis; together they keep the limits of each app_code."
}

const (
	// reachTimeout is how long a starting worker waits for Redis. In a container cluster,
	// both start at the same time.
	reachTimeout  = 10 * time.Second
	scrapeTimeout = 2 * time.Second // the most that a scrape may take when Redis is slow
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
	warn(log, settings.Warnings)
	rdb := settings.Redis.Connect("qfpay-worker", 2*settings.Concurrency+8)
	defer rdb.Close()
	if warning := settings.Redis.unverified(); warning != "" {
		log.Warn(warning)
	}
	if err := reachAndCheck(ctx, rdb, settings, log); err != nil {
		return err
	}
	registry := prometheus.NewRegistry()
	m := metrics.New(registry, metrics.BuildInfo(build.Read()), namesOf(settings.Merchants))
	registry.MustRegister(m.Queues(rdb, settings.Keys, scrapeTimeout))
	showLimits(m, settings.Merchants)
	return withAPI(ctx, settings, m, log, func(ctx context.Context) error {
		receivers := notify.NewMerchants(accounts(settings.Merchants))
		return withNotifications(ctx, settings, receivers, m, log, func(ctx context.Context) error {
			return serve(ctx, settings, reload, rdb, registry, m, receivers, log)
		})
	})
}

// collectRarely lets the heap grow to five times the memory in use before the garbage
// collector runs, instead of twice. The worker uses a few MB, so collecting for each few
// MB more would waste CPU time. GOGC in the environment overrides it.
func collectRarely() {
	if os.Getenv("GOGC") != "" {
		return
	}
	debug.SetGCPercent(400)
}

// reachAndCheck waits for Redis and checks it. A Redis may go away in between, when it starts at
// the same time or fails over: then both begin again, twice.
func reachAndCheck(ctx context.Context, rdb redis.UniversalClient, s Settings, log *slog.Logger) error {
	for tries := 0; ; tries++ {
		if err := reach(ctx, rdb, s.Redis, log); err != nil {
			return err
		}
		err := checkRedis(ctx, s, log)
		if tries == 2 || !errors.Is(err, redischeck.ErrUnanswered) {
			return err
		}
		log.Warn("Redis went away while it was checked", "error", err)
	}
}

// reach waits until Redis answers.
func reach(ctx context.Context, rdb redis.UniversalClient, server Redis, log *slog.Logger) error {
	b := retry.WithMaxDuration(reachTimeout, retry.WithJitterPercent(20, retry.NewConstant(500*time.Millisecond)))
	var last error
	err := retry.Do(ctx, b, func(ctx context.Context) error {
		if last = rdb.Ping(ctx).Err(); last == nil {
			return nil
		}
		last = server.explain(ctx, last)
		if _, wrong := errors.AsType[inputError](last); wrong {
			return last // it will not get better
		}
		log.Warn("Redis does not answer yet", "redis", server.String(), "error", last)
		return retry.RetryableError(last)
	})
	switch {
	case err == nil:
		return nil
	case ctx.Err() != nil && last == nil:
		return err
	default:
		return fmt.Errorf("REDIS_URL: %s does not answer: %w", server, last)
	}
}

// serve runs the worker and its HTTP pages until ctx ends or the pages cannot be served.
// rdb is for orders; serve makes the worker's two other clients.
func serve(ctx context.Context, s Settings, reload *reloader, rdb redis.UniversalClient, registry *prometheus.Registry, m *metrics.Metrics, receivers *notify.Merchants, log *slog.Logger) error {
	config := s.workerConfig(rdb, m, log)
	w, err := worker.New(config)
	if err != nil {
		config.Queue.Close()
		config.Blocking.Close()
		return err
	}
	listener, err := net.Listen("tcp", s.HTTPAddr)
	if err != nil {
		w.Close()
		return fmt.Errorf("WORKER_HTTP_ADDR: %w", err)
	}
	log.Info("serving /metrics, /healthz and /readyz", "addr", listener.Addr().String())
	pages := &http.Server{Handler: metrics.Mux(registry, w.Ready), ErrorLog: slog.NewLogLogger(log.Handler(), slog.LevelDebug),
		ReadHeaderTimeout: 5 * time.Second, ReadTimeout: 5 * time.Second, WriteTimeout: 15 * time.Second, IdleTimeout: 2 * time.Minute, MaxHeaderBytes: 8 << 10}
	listener = conns.Bound(listener, pages, conns.Config{Limit: conns.Limit(32, 16, 64), Dropped: m.Dropped("pages"), Logger: log})
	served := make(chan error, 1)
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	go func() {
		served <- pages.Serve(listener)
		stop() // a worker that cannot be monitored must not go on
	}()
	defer reload.start(ctx, log, merchantSetter(w, m, receivers, s.Merchants))()
	err = w.Run(ctx) // the pages are served until the last order is done
	pages.Close()
	if pagesErr := <-served; !errors.Is(pagesErr, http.ErrServerClosed) {
		err = errors.Join(err, fmt.Errorf("WORKER_HTTP_ADDR: %w", pagesErr))
	}
	return err
}

// workerConfig returns the configuration of the worker, with two new clients of Redis.
// The worker closes both.
func (s Settings) workerConfig(rdb redis.UniversalClient, m *metrics.Metrics, log *slog.Logger) worker.Config {
	return worker.Config{
		Redis:           rdb,
		Queue:           s.Redis.Connect("qfpay-worker:queue", 0),
		Blocking:        s.Redis.Connect("qfpay-worker:blocking", 0),
		Keys:            s.Keys,
		Merchants:       s.Merchants,
		HTTP:            qfpay.NewHTTPClientVia(s.Proxy, s.ProxyPassword),
		CallTimeout:     s.Timeout,
		Verify:          s.Verify,
		GoodsName:       s.GoodsName,
		NotifyURL:       s.NotifyURL,
		LostResponse:    worker.LostResponse(s.LostResponse),
		UniqueNumbers:   s.UniqueNumbers,
		Concurrency:     s.Concurrency,
		ShutdownTimeout: s.ShutdownTimeout,
		Durability:      s.Durability,
		ResultsKeep:     s.ResultsKeep,
		Payments:        s.Payments,
		HighWater:       s.HighWater,
		Observer:        m,
		Logger:          log,
	}
}

// checkRedis checks, before any order is taken, whether the Redis server can keep orders.
func checkRedis(ctx context.Context, s Settings, log *slog.Logger) error {
	warnings, err := s.Redis.check(ctx, s.Keys, redischeck.Worker, s.Durability)
	for _, w := range warnings {
		log.Warn(w, "redis", s.Redis.String())
	}
	if err != nil {
		return fmt.Errorf("Redis at %s (REDIS_URL) is not fit to keep orders:\n%w", s.Redis, err)
	}
	return nil
}
