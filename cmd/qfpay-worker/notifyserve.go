package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"

	"github.com/qfpay-worker/qfpay-worker/cmd/internal/notify"
	"github.com/qfpay-worker/qfpay-worker/metrics"
	"github.com/qfpay-worker/qfpay-worker/worker/payments"
)

// withNotifications runs work, and receives QFPay's notifications beside it if that is configured.
// When ctx ends, it accepts no more, and those in flight are written down. If they cannot be received,
// the worker ends.
func withNotifications(ctx context.Context, s Settings, merchants *notify.Merchants, m *metrics.Metrics, log *slog.Logger, work func(context.Context) error) error {
	if s.Notify.Addr == "" {
		return work(ctx)
	}
	listener, err := net.Listen("tcp", s.Notify.Addr)
	if err != nil {
		return fmt.Errorf("WORKER_NOTIFY_ADDR: %w", err)
	}
	// A separate client: many notifications must not use up the worker's connections.
	rdb := s.Redis.Connect("qfpay-worker:notify", 0)
	defer rdb.Close()
	if s.Notify.Certificate != nil {
		s.Notify.Certificate.LogTo(log)
	}
	log.Info("receiving notifications of QFPay", "addr", listener.Addr().String(), "tls", s.Notify.Certificate != nil)

	ctx, stop := context.WithCancel(ctx)
	defer stop()
	served := make(chan error, 1)
	go func() {
		served <- notify.Serve(ctx, listener, s.Notify.Certificate, s.ShutdownTimeout, notify.Config{
			Book:      &payments.Book{Redis: rdb, Keys: s.Keys, Observer: m, Logger: log},
			Merchants: merchants, Proxies: s.Notify.Proxies, Observer: m, Logger: log, Dropped: m.Dropped("notify"),
		})
		stop()
	}()
	err = work(ctx)
	stop()
	if serveErr := <-served; serveErr != nil {
		err = errors.Join(err, fmt.Errorf("WORKER_NOTIFY_ADDR: %w", serveErr))
	}
	return err
}
