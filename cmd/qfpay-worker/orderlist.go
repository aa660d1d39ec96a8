package main

import (
	"bufio"
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/qfpay-worker/qfpay-worker/cmd/internal/console"
	"github.com/qfpay-worker/qfpay-worker/cmd/internal/redischeck"
	"github.com/qfpay-worker/qfpay-worker/internal/printable"
	"github.com/qfpay-worker/qfpay-worker/tasks"
	"github.com/qfpay-worker/qfpay-worker/worker/inspect"
)

// filterFlags choose orders by what is known of them.
type filterFlags struct {
	Outcome []string `help:"Only orders that ended so: created, rejected, expired, unresolved or cancelled; several with commas." placeholder:"OUTCOME"`
	State   []string `help:"Only orders in this state: NEW, SENT, CLOSING, DONE or damaged; waiting means the first three." placeholder:"STATE"`
	Payment []string `help:"Only orders with a published code that is followed and is open, paid, expired or closed." placeholder:"STATE"`
	Batch   string   `help:"Only orders of this batch." placeholder:"NAME"`
	Since   string   `help:"Only orders settled, or accepted if they wait, since then: a time as RFC 3339, a date, or as long ago as 90m, 24h or 7d." placeholder:"TIME"`
}

// given reports whether any of the flags was given.
func (c *filterFlags) given() bool {
	return len(c.Outcome)+len(c.State)+len(c.Payment) > 0 || c.Batch != "" || c.Since != ""
}

// resolve checks the flags. merchant may be empty: any.
func (c *filterFlags) resolve(found *checks, merchant string, now time.Time) inspect.Filter {
	f := inspect.Filter{Merchant: merchant, Batch: c.Batch}
	for _, text := range c.Outcome {
		f.Outcomes = append(f.Outcomes, tasks.Outcome(found.choice("--outcome", text, outcomeNames()...)))
	}
	const waiting = "waiting"
	for _, text := range c.State {
		state := found.choice("--state", text, append(inspect.States(), waiting)...)
		if state == waiting {
			f.States = append(f.States, inspect.Waiting()...)
			continue
		}
		f.States = append(f.States, state)
	}
	for _, text := range c.Payment {
		f.Payments = append(f.Payments, found.choice("--payment", text, inspect.PaymentStates()...))
	}
	if merchant != "" && !tasks.ValidMerchant(merchant) {
		found.failed("--merchant", "must be 1 to 64 letters, digits, _ or -, not %q", merchant)
	}
	if c.Batch != "" && !tasks.ValidBatch(c.Batch) {
		found.failed("--batch", "must be 1 to 64 letters, digits, ., _ or -, not %q", c.Batch)
	}
	if c.Since != "" {
		var ok bool
		if f.Since, ok = since(c.Since, now); !ok {
			found.failed("--since", "must be a time as RFC 3339, a date such as 2026-03-01 (UTC), or a duration such as 90m, 24h or 7d, not %q", c.Since)
		}
	}
	return f
}

func outcomeNames() []string {
	var names []string
	for _, o := range tasks.Outcomes() {
		names = append(names, string(o))
	}
	return names
}

// since reads a moment: a time, a date, or how long ago it was.
func since(text string, now time.Time) (time.Time, bool) {
	for _, layout := range []string{time.RFC3339, time.DateOnly} {
		if t, err := time.Parse(layout, text); err == nil {
			return t, true
		}
	}
	if days, found := strings.CutSuffix(text, "d"); found {
		n, err := strconv.ParseUint(days, 10, 16)
		return now.AddDate(0, 0, -int(n)), err == nil
	}
	d, err := time.ParseDuration(text)
	return now.Add(-d), err == nil && d >= 0
}

// OrderListCmd lists orders.
type OrderListCmd struct {
	filterFlags
	Merchant string `help:"Only orders of this merchant." placeholder:"NAME"`
	Format   string `help:"table or json (one object per line)." default:"table"`
	RedisConfig
}

// Help is shown below the flags.
func (OrderListCmd) Help() string {
	return `Without flags, all orders whose journals are there: those that wait, and those that
were settled within the last 30 days. With several flags, an order must match each.

What needs a person: order list --outcome unresolved, and order list --state damaged.

The command reads every journal in Redis, or only those of waiting orders if --state asks
for no others. Up to 10,000 orders are sorted by time; more are printed as they are
found. On a busy server an order may be listed twice.`
}

// Run implements the command.
func (c *OrderListCmd) Run(ctx context.Context, std stdio) error {
	var found checks
	server, keys := c.redis(&found), c.keys(&found)
	filter := c.resolve(&found, c.Merchant, time.Now())
	c.Format = found.choice("--format", c.Format, "table", "json")
	if err := found.err(); err != nil {
		return err
	}
	p := newOrderPrinter(std, c.Format)
	err := withInspector(ctx, std.err, server, keys, redischeck.Inspector, func(ctx context.Context, i *inspect.Inspector) error {
		return i.List(ctx, filter, p.add)
	})
	if p.writing != nil {
		return p.writing
	}
	if err != nil {
		return err
	}
	if err := p.end(); err != nil {
		return err
	}
	if p.listed == 0 {
		fmt.Fprintln(std.err, "no order matches")
	}
	return nil
}

// sortedOrders is how many orders are kept, to print them by time.
const sortedOrders = 10_000

// orderPrinter prints listed orders: by time, as long as they are few.
type orderPrinter struct {
	out     *bufio.Writer
	json    *json.Encoder // nil: a table
	table   *console.Table
	columns int

	kept    []inspect.Listed // not yet printed
	listed  int
	writing error // of the output, to distinguish it from an error of Redis
}

func newOrderPrinter(std stdio, format string) *orderPrinter {
	p := &orderPrinter{out: bufio.NewWriter(std.out), columns: std.columns}
	if format == "json" {
		p.json = json.NewEncoder(printable.Writer(p.out))
		p.json.SetEscapeHTML(false)
		return p
	}
	p.table = console.NewTable("order", "state", "since", "pay_type", "txamt", "batch")
	p.table.Fix(len("POS-20260302-0001"), len(tasks.Unresolved), len(time.RFC3339), len("pay_type"), len("HKD 1234567"))
	return p
}

func (p *orderPrinter) add(l inspect.Listed) error {
	p.listed++
	p.kept = append(p.kept, l)
	most := page
	if len(p.kept) == p.listed {
		most = sortedOrders
	}
	if len(p.kept) < most {
		return nil
	}
	return p.print()
}

// print prints what is kept, by time.
func (p *orderPrinter) print() error {
	slices.SortStableFunc(p.kept, func(a, b inspect.Listed) int {
		return cmp.Or(a.Changed().Compare(b.Changed()), cmp.Compare(a.ID, b.ID))
	})
	for _, l := range p.kept {
		if p.json != nil {
			p.writing = cmp.Or(p.writing, p.json.Encode(l))
			continue
		}
		p.addRow(l)
	}
	p.kept = p.kept[:0]
	if p.table != nil {
		p.writing = cmp.Or(p.writing, p.table.Write(p.out))
	}
	return p.writing
}

func (p *orderPrinter) addRow(l inspect.Listed) {
	number := l.OutTradeNo
	if l.Merchant != tasks.DefaultMerchant {
		number = l.ID
	}
	state, at := cmp.Or(string(l.Outcome), l.State), ""
	if t := l.Changed(); !t.IsZero() {
		at = t.Format(time.RFC3339)
	}
	p.table.Add(number, state, at, string(l.PayType), l.TxCurrCd+" "+strconv.FormatInt(l.TxAmt, 10), l.Batch)
	if note := orderNote(l); note != "" {
		p.table.Note("  "+note, p.columns)
	}
}

// orderNote is what to show of an order below its row.
func orderNote(l inspect.Listed) string {
	var notes []string
	if l.IssuedAs != "" && l.IssuedAs != l.OutTradeNo {
		notes = append(notes, "issued as "+l.IssuedAs)
	}
	switch {
	case l.State == inspect.StateDamaged:
		notes = append(notes, "its journal is damaged; mend it, then order retry")
	case l.Payment == string(tasks.Paid) && l.PaidAt != "":
		notes = append(notes, "paid at "+l.PaidAt)
	case l.Payment != "" && l.Payment != "open":
		notes = append(notes, "QR code "+l.Payment)
	case l.Outcome == tasks.Created && l.QRExpires != "":
		notes = append(notes, "QR code until "+l.QRExpires)
	case l.Reason != "":
		notes = append(notes, l.Reason)
	case l.Outcome == "" && l.DeferredFor != "":
		notes = append(notes, "waits: "+l.DeferredFor)
	}
	return strings.Join(notes, "; ")
}

// end prints what is left.
func (p *orderPrinter) end() error {
	if err := p.print(); err != nil {
		return err
	}
	return p.out.Flush()
}

// retryable are the outcomes after which an order can be re-opened.
func retryable() []tasks.Outcome {
	return []tasks.Outcome{tasks.Unresolved, tasks.Expired, tasks.Rejected}
}

// retryAll re-opens every order that the filter matches, or names it if dry. It goes on after an order
// that cannot be re-opened.
func retryAll(ctx context.Context, std stdio, i *inspect.Inspector, f inspect.Filter, deadline time.Time, dry bool) (reopened, failed int, err error) {
	if len(f.Outcomes) == 0 && !slices.Contains(f.States, inspect.StateDamaged) {
		f.Outcomes = retryable()
	}
	w := printable.Writer(std.out)
	err = i.List(ctx, f, func(l inspect.Listed) error {
		if dry {
			reopened++
			_, err := fmt.Fprintf(w, "%s would be retried: %s\n", l.ID, cmp.Or(string(l.Outcome)+"; "+l.Reason, l.State))
			return err
		}
		r, err := i.Reopen(ctx, l.ID, deadline)
		if isAboutOrder(err) {
			failed++
			fmt.Fprintf(std.err, "qfpay-worker: %s\n", printable.String(err.Error()))
			return nil
		}
		if err != nil {
			return err
		}
		reopened++
		return writeReopened(w, r)
	})
	return reopened, failed, err
}

// writeReopened writes one line about an order that is open again.
func writeReopened(w io.Writer, r inspect.Reopened) error {
	if r.PutBack {
		_, err := fmt.Fprintf(w, "%s was put aside as damaged, and goes on (state %s)\n", r.ID, r.State)
		return err
	}
	_, err := fmt.Fprintf(w, "%s was %s and is open again (state %s): %s\n", r.ID, r.Was, r.State, goesOn(r.State))
	return err
}
