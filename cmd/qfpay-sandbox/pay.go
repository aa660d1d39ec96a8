package main

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"sync"
	"time"

	"github.com/qfpay-worker/qfpay-worker/cmd/internal/notify"
	"github.com/qfpay-worker/qfpay-worker/qfpay"
	"github.com/qfpay-worker/qfpay-worker/tasks"
	"github.com/qfpay-worker/qfpay-worker/worker/event"
	"github.com/qfpay-worker/qfpay-worker/worker/payments"
)

// paying is how many of the orders are paid.
const paying = 3

// unobserved is the observer of what nobody measures.
type unobserved struct{}

// Observe implements event.Observer.
func (unobserved) Observe(event.Event) {}

// pay has customers pay the first orders, and returns a line for each event of the payment stream. The
// gateway's notifications cross a socket, and are verified and written down as in production.
func (s *sandbox) pay(ctx context.Context, merchants []qfpay.Merchant, results []tasks.Result) (paid []string, err error) {
	ctx, stop := context.WithTimeout(ctx, 10*time.Second)
	var running sync.WaitGroup
	transport := &http.Transport{}
	defer func() {
		stop()
		running.Wait()
		transport.CloseIdleConnections()
	}()
	running.Go(func() { s.gateway.RunNotifier(ctx, &http.Client{Transport: transport}) })
	running.Go(func() {
		notify.Serve(ctx, s.notices, nil, time.Second, notify.Config{
			Book:      &payments.Book{Redis: s.rdb, Keys: s.keys, Observer: unobserved{}, Logger: slog.New(slog.DiscardHandler)},
			Merchants: notify.NewMerchants(merchants), Observer: unobserved{}, Logger: slog.New(slog.DiscardHandler),
		})
	})
	paidFor := 0
	for _, r := range results {
		if r.Outcome == string(tasks.Created) && paidFor < paying {
			if err := s.gateway.Pay(r.IssuedAs); err != nil {
				return nil, err
			}
			paidFor++
		}
	}
	return s.events(ctx, paidFor)
}

// events waits until the payment stream has n events, and returns a line for each.
func (s *sandbox) events(ctx context.Context, n int) (lines []string, err error) {
	for {
		all, err := s.rdb.XRange(ctx, s.keys.Payments(), "-", "+").Result()
		if err != nil {
			return nil, fmt.Errorf("the payment stream has not all of %d payments: %w", n, err)
		}
		if len(all) >= n {
			for _, e := range all {
				lines = append(lines, fmt.Sprintf("%s  %s, seen by %s", e.Values["out_trade_no"], e.Values["event"], e.Values["seen_by"]))
			}
			return lines, nil
		}
		select {
		case <-ctx.Done():
		case <-time.After(20 * time.Millisecond):
		}
	}
}
