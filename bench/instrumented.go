package main

import (
	"context"
	"encoding/json"
	"log/slog"
	"os"
	"runtime"
	"runtime/debug"
	"runtime/pprof"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/redis/go-redis/v9"

	"github.com/qfpay-worker/qfpay-worker/metrics"
	"github.com/qfpay-worker/qfpay-worker/qfpay"
	"github.com/qfpay-worker/qfpay-worker/qfpay/simulator"
	"github.com/qfpay-worker/qfpay-worker/tasks"
	"github.com/qfpay-worker/qfpay-worker/worker"
	"github.com/qfpay-worker/qfpay-worker/worker/event"
)

// instrumentedCmd is a worker like that of qfpay-worker run, with instrumentation: at its end it
// writes profiles, and the times of its calls.
type instrumentedCmd struct {
	Redis       string `required:"" help:"host:port"`
	Gateway     string `required:"" help:"URL"`
	Merchants   int    `default:"1000" help:"How many of the sample merchants, named m0, m1, …; the first is default."`
	Concurrency int    `default:"64" help:"The most orders in flight at once, per lane."`
	PerSecond   int    `default:"100" help:"Of each merchant; 0: no limit."`
	PerMinute   int    `default:"400" help:"Of each merchant; 0: no limit."`
	CPU         string `help:"File for the CPU profile."`
	Allocs      string `help:"File for the allocation profile: every one is in it, which is slow."`
	Calls       string `help:"File for the calls to the gateway, one JSON object a line."`
}

// Run works until ctx ends.
func (c *instrumentedCmd) Run(ctx context.Context) error {
	debug.SetGCPercent(400) // as qfpay-worker run does
	rdb := redis.NewClient(&redis.Options{Addr: c.Redis, PoolSize: 2*c.Concurrency + 8})
	defer rdb.Close()
	queue := redis.NewClient(&redis.Options{Addr: c.Redis})
	blocking := redis.NewClient(&redis.Options{Addr: c.Redis})
	seen := &witness{Observer: metrics.New(prometheus.NewRegistry(), metrics.BuildInfo{}, c.names())}
	w, err := worker.New(worker.Config{
		Redis: rdb, Queue: queue, Blocking: blocking, Keys: keys, Merchants: c.accounts(),
		CallTimeout: 10 * time.Second, Verify: qfpay.VerifyWarn, LostResponse: worker.Auto, UniqueNumbers: true,
		Concurrency: c.Concurrency, ShutdownTimeout: 25 * time.Second, Durability: tasks.Standard, Observer: seen,
		Logger: slog.New(slog.NewJSONHandler(os.Stderr, nil)),
	})
	if err != nil {
		return err
	}
	defer w.Close() // and with it the last two clients
	if c.Allocs != "" {
		runtime.MemProfileRate = 1
	}
	if c.CPU != "" {
		f, err := os.Create(c.CPU)
		if err != nil {
			return err
		}
		defer f.Close()
		if err := pprof.StartCPUProfile(f); err != nil {
			return err
		}
		defer pprof.StopCPUProfile()
	}
	if err := w.Run(ctx); err != nil {
		return err
	}
	return c.write(seen)
}

// write writes the measured values.
func (c *instrumentedCmd) write(seen *witness) error {
	if c.Allocs != "" {
		f, err := os.Create(c.Allocs)
		if err != nil {
			return err
		}
		defer f.Close()
		if err := pprof.Lookup("allocs").WriteTo(f, 0); err != nil {
			return err
		}
	}
	if c.Calls == "" {
		return nil
	}
	f, err := os.Create(c.Calls)
	if err != nil {
		return err
	}
	defer f.Close()
	lines := json.NewEncoder(f)
	for _, call := range seen.calls {
		if err := lines.Encode(call); err != nil {
			return err
		}
	}
	return nil
}

func (c *instrumentedCmd) accounts() []worker.Merchant {
	all := make([]worker.Merchant, c.Merchants)
	for i, account := range simulator.SampleAccounts(c.Merchants) {
		all[i] = worker.Merchant{PerSecond: c.PerSecond, PerMinute: c.PerMinute, Merchant: qfpay.Merchant{
			Name: merchantName(i), BaseURL: c.Gateway, AppCode: account.AppCode, Key: account.Key}}
	}
	return all
}

func (c *instrumentedCmd) names() []string {
	all := make([]string, c.Merchants)
	for i := range all {
		all[i] = merchantName(i)
	}
	return all
}

// witness records the calls, and forwards all events.
type witness struct {
	event.Observer
	mu    sync.Mutex
	calls []qfpay.Call
}

// Observe implements event.Observer.
func (w *witness) Observe(e event.Event) {
	if called, ok := e.(event.Called); ok {
		w.mu.Lock()
		w.calls = append(w.calls, called.Call)
		w.mu.Unlock()
	}
	w.Observer.Observe(e)
}
