package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/qfpay-worker/qfpay-worker/cmd/internal/redischeck"
	"github.com/qfpay-worker/qfpay-worker/internal/printable"
	"github.com/qfpay-worker/qfpay-worker/tasks"
	"github.com/qfpay-worker/qfpay-worker/worker/inspect"
)

// OrderCancelCmd cancels orders.
type OrderCancelCmd struct {
	OutTradeNos []string `arg:"" name:"out_trade_no" help:"The original out_trade_no of each order; - reads them from standard input, one per line."`
	Merchant    string   `help:"Merchant of the orders." default:"default"`
	Wait        string   `help:"How long to wait for what the workers have to clear up." default:"30s" placeholder:"TIME"`
	RedisConfig
}

// Help is shown below the flags.
func (OrderCancelCmd) Help() string { return cancelHelp }

const cancelHelp = `An order for which nothing was sent is cancelled at once, without a call. For any other
no create is sent any more. What may stand at QFPay is queried, closed and queried again,
and only what QFPay shows dead is called cancelled. An order whose QR code is published keeps
its result; it is closed at QFPay, where its wallet has a way. The command prints what became of each:

  cancelled     that is its outcome now, or was before
  closed        its QR code was published, and cannot be paid any more
  asked         the workers clear up what was sent; order show says how it ends
  closing       the workers try to close its published QR code; order show says how it ends
  paid          it was paid before it could be closed
  cannot_close  QFPay has no way to close it: its published QR code can be paid until it runs out
  unclear       QFPay did not show what became of it
  refused       it has ended otherwise, or there is no such order; the reason follows

To ask again is harmless. Exit code 2: of an order, it is certain that it was not cancelled.`

// Run implements the command.
func (c *OrderCancelCmd) Run(ctx context.Context, std stdio) error {
	var found checks
	server, keys := c.redis(&found), c.keys(&found)
	wait := found.duration("--wait", c.Wait, 0, time.Hour)
	var ids []string
	add := func(number string) {
		id, err := tasks.ID(c.Merchant, number)
		if err != nil {
			found.wrong = append(found.wrong, SettingError{Variable: "order", Problem: err.Error()})
		}
		ids = append(ids, id)
	}
	for _, number := range c.OutTradeNos {
		if number != "-" {
			add(number)
			continue
		}
		lines := bufio.NewScanner(std.in)
		for lines.Scan() {
			if number := strings.TrimSpace(lines.Text()); number != "" {
				add(number)
			}
		}
		if err := lines.Err(); err != nil {
			return fmt.Errorf("standard input could not be read: %w", err)
		}
	}
	if err := found.err(); err != nil {
		return err
	}
	return cancelOrders(ctx, std, server, keys, wait, true, func(ctx context.Context, i *inspect.Inspector, each func(inspect.Cancellation, error) error) error {
		return i.CancelEach(ctx, ids, each)
	})
}

// BatchCancelCmd cancels the orders of a batch.
type BatchCancelCmd struct {
	Name string `arg:"" help:"The batch."`
	Wait string `help:"How long to wait for what the workers have to clear up." default:"30s" placeholder:"TIME"`
	RedisConfig
}

// Help is shown below the flags.
func (BatchCancelCmd) Help() string {
	return cancelHelp + `

Orders that are cancelled or closed are counted and not listed. End the producer of the batch first: an order
that is accepted while the command runs may be missed.`
}

// Run implements the command.
func (c *BatchCancelCmd) Run(ctx context.Context, std stdio) error {
	var found checks
	server, keys := c.redis(&found), c.keys(&found)
	wait := found.duration("--wait", c.Wait, 0, time.Hour)
	if err := found.err(); err != nil {
		return err
	}
	return cancelOrders(ctx, std, server, keys, wait, false, func(ctx context.Context, i *inspect.Inspector, each func(inspect.Cancellation, error) error) error {
		return i.CancelBatch(ctx, c.Name, each)
	})
}

// canceller cancels orders and counts what became of them.
type canceller struct {
	inspector *inspect.Inspector
	out       io.Writer
	all       bool // every order has a line, also one that is cancelled or closed
	waiting   []inspect.Cancellation
	counts    map[inspect.CancelStatus]int
}

// refused is shown of an order that was not cancelled because of what it is.
const refused inspect.CancelStatus = "refused"

// cancelOrders cancels what ask asks for, waits, prints, and returns an error when an order certainly was not cancelled.
func cancelOrders(ctx context.Context, std stdio, server Redis, keys tasks.Keys, wait time.Duration, all bool,
	ask func(context.Context, *inspect.Inspector, func(inspect.Cancellation, error) error) error,
) error {
	c := &canceller{out: printable.Writer(std.out), all: all, counts: map[inspect.CancelStatus]int{}}
	err := withInspector(ctx, std.err, server, keys, redischeck.Operator, func(ctx context.Context, i *inspect.Inspector) error {
		c.inspector = i
		if err := ask(ctx, i, c.note); err != nil {
			return err
		}
		return c.await(ctx, wait)
	})
	if err != nil {
		return err
	}
	var text strings.Builder
	for _, s := range []inspect.CancelStatus{inspect.Cancelled, inspect.CancelShut, inspect.CancelAsked, inspect.CancelClose, inspect.CancelPaid,
		inspect.CancelNot, inspect.CancelVague, refused} {
		if s == inspect.Cancelled || c.counts[s] > 0 {
			fmt.Fprintf(&text, "%s=%d ", s, c.counts[s])
		}
	}
	if _, err := fmt.Fprintln(std.out, strings.TrimSpace(text.String())); err != nil {
		return err
	}
	if len(c.counts) == 0 {
		return inputError{errors.New("no order: none was found")}
	}
	if n := c.counts[refused] + c.counts[inspect.CancelPaid] + c.counts[inspect.CancelNot] + c.counts[inspect.CancelVague]; n > 0 {
		return inputError{fmt.Errorf("not cancelled: %d", n)}
	}
	return nil
}

// note notes what became of one order. One that the workers have to clear up is kept until the end.
func (c *canceller) note(got inspect.Cancellation, err error) error {
	why := ""
	switch {
	case err != nil:
		got.Status, why = refused, err.Error()
	case got.Status.Waits():
		c.waiting = append(c.waiting, got)
		return nil
	}
	return c.print(got, why)
}

// print counts an order and writes its line.
func (c *canceller) print(got inspect.Cancellation, why string) error {
	c.counts[got.Status]++
	if got.Status.Done() && !c.all {
		return nil
	}
	_, err := fmt.Fprintln(c.out, strings.TrimRight(fmt.Sprintf("%s  %-12s  %s", got.ID, got.Status, why), " "))
	return err
}

// await waits for what the workers clear up, and prints what became of it by then.
func (c *canceller) await(ctx context.Context, wait time.Duration) error {
	until := time.Now().Add(wait)
	for {
		last := time.Now().After(until)
		some := c.waiting
		c.waiting = nil
		for _, one := range some {
			got, err := c.inspector.CancelNow(ctx, one)
			switch {
			case err != nil && !inspect.IsNotCancelled(err):
				return err
			case err == nil && last:
				err = c.print(got, "")
			default:
				err = c.note(got, err)
			}
			if err != nil {
				return err
			}
		}
		if len(c.waiting) == 0 {
			return nil
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(cancelPoll):
		}
	}
}

// cancelPoll is between two looks at orders that the workers clear up.
const cancelPoll = 250 * time.Millisecond
