package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/alicebob/miniredis/v2"
	"github.com/redis/go-redis/v9"

	"github.com/qfpay-worker/qfpay-worker/cmd/internal/console"
	"github.com/qfpay-worker/qfpay-worker/internal/printable"
	"github.com/qfpay-worker/qfpay-worker/qfpay"
	"github.com/qfpay-worker/qfpay-worker/qfpay/simulator"
	"github.com/qfpay-worker/qfpay-worker/tasks"
	"github.com/qfpay-worker/qfpay-worker/tasks/orderfile"
	"github.com/qfpay-worker/qfpay-worker/worker"
)

// DemoCmd is `qfpay-sandbox demo`.
type DemoCmd struct {
	Orders int    `default:"21" help:"Number of built-in sample orders, of all seven pay types."`
	File   string `arg:"" optional:"" type:"existingfile" help:"Your own orders instead: CSV with a header row, or NDJSON."`
}

// Validate implements kong's check of a command's flags.
func (c *DemoCmd) Validate() error {
	if c.Orders < 1 || c.Orders > 100_000 {
		return fmt.Errorf("--orders: must be 1 to 100000, not %d", c.Orders)
	}
	return nil
}

// Run processes the orders and shows their results. The gateway's answer to one create is lost
// on purpose, to show what happens then.
func (c *DemoCmd) Run(ctx context.Context, std stdio) error {
	orders, invalid, err := c.orders(std.err)
	if err != nil {
		return err
	}
	if len(orders) == 0 {
		return fmt.Errorf("%w: %s has no valid order", errInput, c.File)
	}
	box, err := openSandbox(orders)
	if err != nil {
		return err
	}
	defer box.close()
	results, err := box.work(ctx, orders, std.err)
	if err != nil {
		return err
	}
	slices.SortFunc(results, func(a, b tasks.Result) int { return strings.Compare(a.ID, b.ID) })
	paid, err := box.pay(ctx, box.merchants, results)
	if err != nil {
		return err
	}
	if err := show(std.out, results, paid, box.gateway); err != nil {
		return err
	}
	if invalid > 0 {
		return fmt.Errorf("%w: %d rows of %s are not valid orders", errInput, invalid, c.File)
	}
	return nil
}

// orders returns the orders to enqueue: the sample, or the valid rows of the file. It names and
// counts invalid rows.
func (c *DemoCmd) orders(w io.Writer) (orders []tasks.Order, invalid int, err error) {
	if c.File == "" {
		return sampleOrders(c.Orders), 0, nil
	}
	f, err := os.Open(c.File)
	if err != nil {
		return nil, 0, err
	}
	defer f.Close()
	rows := orderfile.NewRows(f)
	for {
		row, err := rows.Next()
		if errors.Is(err, io.EOF) {
			return orders, invalid, nil
		}
		if err != nil {
			return nil, 0, fmt.Errorf("%w: %s: %w", errInput, c.File, err)
		}
		if row.Err == nil {
			row.Err = row.Order.WithDefaults(time.Now()).Validate()
		}
		if row.Err != nil {
			invalid++
			fmt.Fprintf(w, "line %d: %s\n", row.Line, printable.String(row.Err.Error()))
			continue
		}
		orders = append(orders, row.Order)
	}
}

// sandbox is a Redis, a gateway and a worker in one process.
type sandbox struct {
	redis   *miniredis.Miniredis
	rdb     *redis.Client
	queue   *redis.Client // the worker closes this one and the next
	blocks  *redis.Client
	keys    tasks.Keys
	gateway *simulator.Gateway
	worker  *worker.Worker

	merchants []qfpay.Merchant
	notices   net.Listener // where the gateway's notifications arrive
}

// openSandbox makes a sandbox whose gateway has every merchant of the orders.
func openSandbox(orders []tasks.Order) (*sandbox, error) {
	names := merchantsOf(orders)
	accounts := simulator.SampleAccounts(len(names))
	s := &sandbox{keys: tasks.Keys{Prefix: tasks.DefaultPrefix}}
	for _, m := range merchantsAt(names, accounts) {
		s.merchants = append(s.merchants, m.Merchant)
	}
	s.gateway = simulator.New(simulator.Config{
		Merchants: accounts,
		Notify:    simulator.Notify{FromOrder: true},
		Latency:   simulator.Latency{Min: 50 * time.Millisecond, Max: 300 * time.Millisecond},
	})
	s.gateway.Choose(loseOneAnswer(orders))
	var err error
	if s.notices, err = net.Listen("tcp", "127.0.0.1:0"); err != nil {
		return nil, err
	}
	if s.redis, err = miniredis.Run(); err != nil {
		s.notices.Close()
		return nil, fmt.Errorf("the embedded Redis did not start: %w", err)
	}
	s.rdb = redis.NewClient(&redis.Options{Addr: s.redis.Addr(), PoolSize: 64})
	s.queue = redis.NewClient(&redis.Options{Addr: s.redis.Addr()})
	s.blocks = redis.NewClient(&redis.Options{Addr: s.redis.Addr()})
	s.worker, err = worker.New(worker.Config{
		Redis: s.rdb, Queue: s.queue, Blocking: s.blocks, Keys: s.keys,
		Merchants:       merchantsAt(names, accounts),
		HTTP:            &http.Client{Transport: s.gateway.Transport()},
		CallTimeout:     5 * time.Second,
		Verify:          qfpay.VerifyStrict,
		NotifyURL:       "http://" + s.notices.Addr().String() + "/qfpay/notify",
		Payments:        true,
		LostResponse:    worker.Auto,
		UniqueNumbers:   true,
		Concurrency:     16,
		ShutdownTimeout: 6 * time.Second,
		Logger:          slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelError})),
	})
	if err != nil {
		s.queue.Close()
		s.blocks.Close()
		s.rdb.Close()
		s.redis.Close()
		s.notices.Close()
		return nil, err
	}
	return s, nil
}

func (s *sandbox) close() {
	s.worker.Close()
	s.rdb.Close()
	s.redis.Close()
	s.notices.Close()
}

// loseOneAnswer drops the answer to the first create of the first order that can be closed: the
// create is processed, and its QR code is lost.
func loseOneAnswer(orders []tasks.Order) func(simulator.Call) simulator.Fault {
	i := slices.IndexFunc(orders, func(o tasks.Order) bool { return o.PayType.Closable() })
	return func(c simulator.Call) simulator.Fault {
		if i >= 0 && c.Endpoint == "payment" && c.OutTradeNo == orders[i].OutTradeNo {
			i = -1
			return "drop_after"
		}
		return ""
	}
}

func merchantsOf(orders []tasks.Order) []string {
	var names []string
	for _, o := range orders {
		name := o.WithDefaults(time.Time{}).Merchant
		if !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	return names
}

func merchantsAt(names []string, accounts []simulator.Account) []worker.Merchant {
	merchants := make([]worker.Merchant, len(names))
	for i, name := range names {
		merchants[i] = worker.Merchant{
			Merchant: qfpay.Merchant{Name: name, BaseURL: "http://sandbox", AppCode: accounts[i].AppCode,
				Key: accounts[i].Key, SignType: qfpay.SHA256},
			PerSecond: simulator.DefaultPerSecond, PerMinute: simulator.DefaultPerMinute,
		}
	}
	return merchants
}

// work enqueues the orders and runs the worker until each has its result.
func (s *sandbox) work(ctx context.Context, orders []tasks.Order, w io.Writer) ([]tasks.Result, error) {
	accepted, err := tasks.NewProducer(s.rdb, s.keys).EnqueueAll(ctx, orders)
	if err != nil {
		return nil, err
	}
	expected := 0
	for _, a := range accepted {
		if a.Err != nil {
			return nil, fmt.Errorf("%w: %w", errInput, a.Err)
		}
		if a.Status == tasks.Enqueued {
			expected++
		}
	}
	working, stop := context.WithCancel(ctx)
	ended := make(chan error, 1)
	go func() { ended <- s.worker.Run(working) }()
	results, err := s.collect(ctx, expected, w)
	stop()
	return results, errors.Join(err, <-ended)
}

// collect reads results until there are as many as expected.
func (s *sandbox) collect(ctx context.Context, expected int, w io.Writer) ([]tasks.Result, error) {
	progress := console.NewProgress(w, int64(expected), "orders")
	defer progress.Close()
	var results []tasks.Result
	reading, enough := context.WithCancel(ctx)
	defer enough()
	err := tasks.NewResults(s.rdb, s.keys).Follow(reading, "0", func(e tasks.Entry) error {
		if e.Err != nil {
			return e.Err
		}
		results = append(results, e.Result)
		progress.Show(int64(len(results)), len(results))
		if len(results) == expected {
			enough()
		}
		return nil
	})
	if len(results) == expected {
		return results, nil
	}
	return nil, errors.Join(err, fmt.Errorf("stopped with %d of %d results", len(results), expected))
}
