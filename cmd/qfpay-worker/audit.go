package main

import (
	"context"
	"fmt"

	"github.com/redis/go-redis/v9"

	"github.com/qfpay-worker/qfpay-worker/cmd/internal/redischeck"
	"github.com/qfpay-worker/qfpay-worker/internal/printable"
	"github.com/qfpay-worker/qfpay-worker/worker/audit"
)

// AuditCmd checks the invariants of the data in Redis.
type AuditCmd struct{ RedisConfig }

// Help is shown below the flags.
func (AuditCmd) Help() string {
	return `Exactly the orders without a result must be in the due set. A result must be in the
stream, unless the stream was trimmed since. The journal of an order must know each
result of the order in the stream. A published code that is followed is open, or has one
of paid, expired and closed; that must be in the payment stream, and no other there.
The counters of a batch must be those of its orders; of a batch that changes meanwhile
nothing can be said: it counts as moving.

The command prints one line for each order or batch that violates this, and counts at the end. It
changes nothing, and workers may be running.

Exit code 0: no violation. 1: a violation, or Redis failed.`
}

// Run implements the command.
func (c *AuditCmd) Run(ctx context.Context, std stdio) error {
	server, keys, err := c.RedisConfig.Resolve()
	if err != nil {
		return err
	}
	var counts audit.Report
	var writing error
	err = withRedis(ctx, std.err, server, keys, redischeck.Inspector, func(ctx context.Context, rdb redis.UniversalClient) (err error) {
		counts, err = audit.Run(ctx, rdb, keys, func(v audit.Violation) {
			if _, err := fmt.Fprintf(printable.Writer(std.out), "%s: %s\n", v.ID, v.Problem); writing == nil {
				writing = err
			}
		})
		return err
	})
	if err != nil {
		return err
	}
	if writing == nil {
		_, writing = fmt.Fprintf(std.out, "orders=%d waiting=%d settled=%d trimmed=%d results=%d payments=%d batches=%d moving=%d broken=%d\n",
			counts.Orders, counts.Waiting, counts.Settled, counts.Trimmed, counts.Results, counts.Payments, counts.Recounted, counts.Moving, counts.Violations)
	}
	if writing == nil && counts.Violations > 0 {
		return fmt.Errorf("%d broken; for details of an order, run qfpay-worker order show", counts.Violations)
	}
	return writing
}
