package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/qfpay-worker/qfpay-worker/cmd/internal/redischeck"
	"github.com/qfpay-worker/qfpay-worker/internal/printable"
	"github.com/qfpay-worker/qfpay-worker/tasks"
	"github.com/qfpay-worker/qfpay-worker/worker/inspect"
)

// OrderCmd has the commands for orders.
type OrderCmd struct {
	Show   OrderShowCmd   `cmd:"" help:"Show the journal of an order."`
	Cancel OrderCancelCmd `cmd:"" help:"Cancel orders: those that were not sent at once, others as QFPay lets them be closed."`
	List   OrderListCmd   `cmd:"" help:"List orders by outcome, state, merchant, batch and time."`
	Retry  OrderRetryCmd  `cmd:"" help:"Re-open orders that ended unresolved, expired, rejected or cancelled."`
}

// orderFlags identify the order.
type orderFlags struct {
	OutTradeNo string `arg:"" name:"out_trade_no" help:"The original out_trade_no of the order."`
	Merchant   string `help:"Merchant of the order." default:"default"`
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
	GoodsNameConfig
	Format string `help:"table or json (one object)." default:"table"`
	QR     bool   `name:"qr" help:"Draw the QR code."`
}

// Help is shown below the flags.
func (OrderShowCmd) Help() string {
	return `The journal keeps an order until 30 days after its result. Times are from the clock
of Redis, in UTC. What is sent of a goods_name is shown as QFPAY_GOODS_NAME of this
command says, so it should be that of the workers. Exit code 2: there is no such order.`
}

// Run implements the command.
func (c *OrderShowCmd) Run(ctx context.Context, std stdio) error {
	var found checks
	server, keys, id := c.orderFlags.resolve(&found)
	name := c.GoodsNameConfig.resolve(&found)
	c.Format = found.choice("--format", c.Format, "table", "json")
	if c.QR && c.Format == "json" {
		found.failed("--qr", "requires --format=table; in JSON, qrcode has the text of the code")
	}
	if err := found.err(); err != nil {
		return err
	}
	var h inspect.History
	var pauses []inspect.Pause
	err := withInspector(ctx, std.err, server, keys, redischeck.Inspector, func(ctx context.Context, i *inspect.Inspector) (err error) {
		if h, err = i.Order(ctx, id); err == nil {
			pauses, err = i.PausesOf(ctx, h)
		}
		return err
	})
	if err != nil {
		return err
	}
	if c.Format == "table" {
		return showOrder(std, h, pauses, name, c.QR)
	}
	out := json.NewEncoder(printable.Writer(std.out))
	out.SetEscapeHTML(false) // the text of a QR code contains &
	return out.Encode(struct {
		inspect.History
		Pauses        []inspect.Pause `json:"pauses,omitempty"`
		GoodsNameSent string          `json:"goods_name_sent"`
	}{h, pauses, name.Sent(nameOf(h.Order))})
}

// OrderRetryCmd re-opens one order, or all that a filter matches.
type OrderRetryCmd struct {
	OutTradeNo string `arg:"" optional:"" name:"out_trade_no" help:"The original out_trade_no of the order; or give filters."`
	filterFlags
	Merchant string `help:"Merchant of the order; default for one order, any with filters." placeholder:"NAME"`
	DryRun   bool   `help:"Only name the orders that would be retried."`
	RedisConfig
	Deadline string `help:"New deadline, RFC 3339. Default: as at enqueue, 24 h from now in bulk, 2 min in interactive." placeholder:"TIME"`
}

// Help is shown below the flags.
func (OrderRetryCmd) Help() string {
	return `The workers try the order again at once. If anything was ever sent for it, they
first query QFPay about its order number, whatever its outcome was. What QFPay
does not have is created under the same number; an order that QFPay shows dead is
created under the next one. So it never has two QR codes. It gets a second result,
whose id ends in "#2".

With filters instead of a number, as of order list, every order that matches is re-opened:
--outcome unresolved, --batch NAME --outcome expired, or --state damaged for those that were
put aside. Look at them with --dry-run first.

Exit code 2: there is no such order, or one cannot be re-opened; the message says why.`
}

// Run implements the command.
func (c *OrderRetryCmd) Run(ctx context.Context, std stdio) error {
	var found checks
	server, keys, id, filter := c.resolve(&found)
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
	if id == "" {
		return c.runAll(ctx, std, server, keys, filter, deadline)
	}
	var r inspect.Reopened
	err := withInspector(ctx, std.err, server, keys, redischeck.Operator, func(ctx context.Context, i *inspect.Inspector) (err error) {
		r, err = i.Reopen(ctx, id, deadline)
		return err
	})
	if err != nil {
		return err
	}
	if r.PutBack {
		_, err = fmt.Fprintf(std.out, "%s was put aside as damaged, and goes on\nstate      %s\nissued as  %s\ndeadline   %s\n",
			r.ID, r.State, r.IssuedAs, r.Deadline.Format(tasks.TimeLayout))
		return err
	}
	_, err = fmt.Fprintf(std.out, "%s was %s and is open again\n"+
		"state      %s: %s\nissued as  %s\ndeadline   %s\nresult id  %s\n",
		r.ID, r.Was, r.State, goesOn(r.State), r.IssuedAs, r.Deadline.Format(tasks.TimeLayout), r.ResultID)
	return err
}

// resolve checks the settings and the flags together. The id is empty when there are filters.
func (c *OrderRetryCmd) resolve(found *checks) (Redis, tasks.Keys, string, inspect.Filter) {
	server, keys := c.redis(found), c.keys(found)
	filtered := c.given() || c.OutTradeNo == "" && c.Merchant != ""
	switch {
	case c.OutTradeNo != "" && (filtered || c.DryRun):
		found.failed("order", "give either one out_trade_no or filters; --dry-run goes with filters")
	case c.OutTradeNo == "" && !filtered:
		found.failed("order", "give an out_trade_no, or filters such as --outcome unresolved")
	case filtered:
		return server, keys, "", c.filterFlags.resolve(found, c.Merchant, time.Now())
	}
	id, err := tasks.ID(c.Merchant, c.OutTradeNo)
	if err != nil && c.OutTradeNo != "" {
		found.failed("order", "%s", err)
	}
	return server, keys, id, inspect.Filter{}
}

// runAll re-opens every order that the filter matches.
func (c *OrderRetryCmd) runAll(ctx context.Context, std stdio, server Redis, keys tasks.Keys, f inspect.Filter, deadline time.Time) error {
	reopened, failed := 0, 0
	err := withInspector(ctx, std.err, server, keys, redischeck.Operator, func(ctx context.Context, i *inspect.Inspector) (err error) {
		reopened, failed, err = retryAll(ctx, std, i, f, deadline, c.DryRun)
		return err
	})
	switch {
	case err != nil:
		return err
	case reopened+failed == 0:
		fmt.Fprintln(std.err, "no order matches")
	case failed > 0:
		return inputError{fmt.Errorf("%d of %d orders cannot be re-opened", failed, reopened+failed)}
	case c.DryRun:
		fmt.Fprintf(std.err, "%d would be retried; the same command without --dry-run does it\n", reopened)
	default:
		fmt.Fprintf(std.err, "%d are open again\n", reopened)
	}
	return nil
}

func goesOn(state string) string {
	if state == "NEW" {
		return "it will be created again"
	}
	return "QFPay is queried first for its order number"
}

// withInspector connects and runs fn with an inspector, as withRedis does with a client.
func withInspector(ctx context.Context, w io.Writer, server Redis, keys tasks.Keys, role redischeck.Role, fn func(context.Context, *inspect.Inspector) error) error {
	return withRedis(ctx, w, server, keys, role, func(ctx context.Context, rdb redis.UniversalClient) error {
		return fn(ctx, inspect.New(rdb, keys))
	})
}

// withRedis connects and runs fn with the client. An error about the order itself is an
// inputError. Any other error comes from Redis.
func withRedis(ctx context.Context, w io.Writer, server Redis, keys tasks.Keys, role redischeck.Role, fn func(context.Context, redis.UniversalClient) error) error {
	rdb := server.Connect("qfpay-worker-inspect", 0)
	defer rdb.Close()
	err := server.ready(ctx, w, rdb, keys, role)
	if err == nil {
		err = fn(ctx, rdb)
	}
	switch {
	case err == nil:
		return nil
	case isAboutOrder(err):
		return inputError{err}
	}
	return fmt.Errorf("Redis at %s (REDIS_URL) failed: %w", server, err)
}

// isAboutOrder reports whether an error concerns one order and not Redis.
func isAboutOrder(err error) bool {
	var not *inspect.NotReopened
	return errors.Is(err, inspect.ErrNoOrder) || errors.As(err, &not)
}
