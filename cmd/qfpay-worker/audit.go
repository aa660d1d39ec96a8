package main

import (
	"context"
	"fmt"

	"github.com/qfpay-worker/qfpay-worker/worker"
)

// AuditCmd checks what must always hold.
type AuditCmd struct{ RedisConfig }

// Help is shown below the flags.
func (AuditCmd) Help() string {
	return `An order without a result must be in due, and only such an order; a result must be
in the stream, unless the stream was trimmed since; and a result in the stream must
be known to its order. What breaks this is printed, one line an order, and counts at
the end. Nothing is changed, and workers may run meanwhile.

Exit code 0: all agrees. 1: something does not, or Redis failed.`
}

// Run implements the command.
func (c *AuditCmd) Run(ctx context.Context, std stdio) error {
	server, keys, err := c.RedisConfig.Resolve()
	if err != nil {
		return err
	}
	var counts worker.AuditReport
	var writing error
	err = inspect(ctx, server, keys, func(ctx context.Context, i *worker.Inspector) (err error) {
		counts, err = i.Audit(ctx, func(v worker.Violation) {
			if _, err := fmt.Fprintf(std.out, "%s: %s\n", v.ID, v.Problem); writing == nil {
				writing = err
			}
		})
		return err
	})
	if err != nil {
		return err
	}
	if writing == nil {
		_, writing = fmt.Fprintf(std.out, "orders=%d waiting=%d settled=%d trimmed=%d results=%d broken=%d\n",
			counts.Orders, counts.Waiting, counts.Settled, counts.Trimmed, counts.Results, counts.Violations)
	}
	if writing == nil && counts.Violations > 0 {
		return fmt.Errorf("%d broken; qfpay-worker order show says more of an order", counts.Violations)
	}
	return writing
}
