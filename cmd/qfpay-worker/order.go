package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/qfpay-worker/qfpay-worker/tasks"
	"github.com/qfpay-worker/qfpay-worker/worker"
)

// OrderCmd is about one order.
type OrderCmd struct {
	Show  OrderShowCmd  `cmd:"" help:"Show what the journal says of an order."`
	Retry OrderRetryCmd `cmd:"" help:"Re-open an order that ended unresolved, expired or rejected."`
}

// orderFlags name the order.
type orderFlags struct {
	OutTradeNo string `arg:"" name:"out_trade_no" help:"The order's own out_trade_no."`
	Merchant   string `help:"Its merchant." default:"default"`
	RedisConfig
}

// resolve checks the settings and the flags together.
func (c *orderFlags) resolve(found *checks) (Redis, tasks.Keys, string) {
	server, keys := c.redis(found), c.keys(found)
	id, err := tasks.ID(c.Merchant, c.OutTradeNo)
	if err != nil {
		found.wrong = append(found.wrong, SettingError{Variable: "order", Problem: err.Error()})
	}
	return server, keys, id
}

// OrderShowCmd shows an order.
type OrderShowCmd struct {
	orderFlags
	Format string `help:"table or json (one object)." default:"table"`
	QR     bool   `name:"qr" help:"Draw its QR code."`
}

// Help is shown below the flags.
func (OrderShowCmd) Help() string {
	return `The journal keeps an order until 30 days after its result. Times are on Redis's
clock, in UTC. Exit code 2: there is no such order.`
}

// Run implements the command.
func (c *OrderShowCmd) Run(ctx context.Context, std stdio) error {
	var found checks
	server, keys, id := c.resolve(&found)
	found.choice("--format", c.Format, "table", "json")
	if c.QR && c.Format == "json" {
		found.failed("--qr", "goes with --format=table only; in JSON the text of the code is in qrcode")
	}
	if err := found.err(); err != nil {
		return err
	}
	var h worker.History
	err := inspect(ctx, server, keys, func(ctx context.Context, i *worker.Inspector) (err error) {
		h, err = i.Order(ctx, id)
		return err
	})
	if err != nil {
		return err
	}
	if c.Format == "table" {
		return showOrder(std, h, c.QR)
	}
	out := json.NewEncoder(std.out)
	out.SetEscapeHTML(false) // a QR code's text has & in it
	return out.Encode(h)
}

// OrderRetryCmd re-opens an order.
type OrderRetryCmd struct {
	orderFlags
	Deadline string `help:"Not submitted after it, RFC 3339. Default: as at enqueue, 24 h from now in bulk, 2 min in interactive." placeholder:"TIME"`
}

// Help is shown below the flags.
func (OrderRetryCmd) Help() string {
	return `The workers try the order again at once. One that ended unresolved is enquired about
first, and goes on under its number; one that expired or was rejected is created
anew, under the next number if anything had been sent under the last. Either way it
never has two QR codes. It gets a second result, whose id has "#2" behind it.

Exit code 2: there is no such order, or it cannot be re-opened; it is said why.`
}

// Run implements the command.
func (c *OrderRetryCmd) Run(ctx context.Context, std stdio) error {
	var found checks
	server, keys, id := c.resolve(&found)
	var deadline time.Time
	if c.Deadline != "" {
		var err error
		if deadline, err = time.Parse(time.RFC3339, c.Deadline); err != nil {
			found.failed("--deadline", "must be a time as RFC 3339, for example 2026-03-01T12:00:00+08:00, not %q", c.Deadline)
		}
	}
	if err := found.err(); err != nil {
		return err
	}
	var r worker.Reopened
	err := inspect(ctx, server, keys, func(ctx context.Context, i *worker.Inspector) (err error) {
		r, err = i.Reopen(ctx, id, deadline)
		return err
	})
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(std.out, "%s was %s and is open again\n"+
		"state      %s: %s\nissued as  %s\ndeadline   %s\nresult id  %s\n",
		r.ID, r.Was, r.State, goesOn(r.State), r.IssuedAs, r.Deadline.Format(tasks.TimeLayout), r.ResultID)
	return err
}

func goesOn(state string) string {
	if state == "NEW" {
		return "it is created anew"
	}
	return "QFPay is asked first what stands under its number"
}

// inspect connects and runs fn with an inspector. What the order itself does not allow
// is the user's to mend; any other error is Redis's.
func inspect(ctx context.Context, server Redis, keys tasks.Keys, fn func(context.Context, *worker.Inspector) error) error {
	rdb := server.Connect("qfpay-worker-inspect", 0)
	defer rdb.Close()
	err := inspecting(ctx, rdb, keys, fn)
	var not *worker.NotReopened
	switch {
	case err == nil:
		return nil
	case errors.Is(err, worker.ErrNoOrder), errors.As(err, &not):
		return inputError{err}
	}
	return fmt.Errorf("Redis at %s (REDIS_URL) failed: %w", server, err)
}

func inspecting(ctx context.Context, rdb redis.UniversalClient, keys tasks.Keys, fn func(context.Context, *worker.Inspector) error) error {
	if err := ping(ctx, rdb); err != nil {
		return err
	}
	return fn(ctx, worker.NewInspector(rdb, keys))
}
