package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/qfpay-worker/qfpay-worker/cmd/internal/console"
	"github.com/qfpay-worker/qfpay-worker/cmd/internal/redischeck"
	"github.com/qfpay-worker/qfpay-worker/internal/printable"
	"github.com/qfpay-worker/qfpay-worker/tasks"
	"github.com/qfpay-worker/qfpay-worker/worker/batches"
)

// BatchCmd has the commands for bulk runs.
type BatchCmd struct {
	List BatchListCmd `cmd:"" help:"List the batches, the latest change first."`
	Show BatchShowCmd `cmd:"" help:"Show how far a batch is, and how long it still takes."`

	Cancel BatchCancelCmd `cmd:"" help:"Cancel the orders of a batch."`
}

// BatchListCmd lists batches.
type BatchListCmd struct {
	Limit  string `help:"List so many batches at most." default:"100"`
	Format string `help:"table or json (one object per line)." default:"table"`
	RedisConfig
}

// Help is shown below the flags.
func (BatchListCmd) Help() string {
	return `A batch is listed while an order of it waits, and for 30 days after its last change.
Times are from the clock of Redis, in UTC. waiting are the orders without a result, and
other those that ended without a QR code.`
}

// Run implements the command.
func (c *BatchListCmd) Run(ctx context.Context, std stdio) error {
	var found checks
	server, keys := c.redis(&found), c.keys(&found)
	c.Format = found.choice("--format", c.Format, "table", "json")
	limit, err := strconv.Atoi(c.Limit)
	if err != nil || limit < 1 || limit > mostBatches {
		found.failed("--limit", "must be a whole number from 1 to %d, not %q", mostBatches, c.Limit)
	}
	if err := found.err(); err != nil {
		return err
	}
	var latest []batches.Batch
	all := 0
	err = withRedis(ctx, std.err, server, keys, redischeck.Inspector, func(ctx context.Context, rdb redis.UniversalClient) (err error) {
		latest, all, err = batches.New(rdb, keys).List(ctx, limit, func(damaged error) {
			fmt.Fprintln(std.err, "qfpay-worker:", printable.String(damaged.Error()))
		})
		return err
	})
	if err != nil {
		return err
	}
	if c.Format == "json" {
		return encodeEach(std.out, latest)
	}
	if all == 0 {
		fmt.Fprintln(std.err, "no batches yet; an order's field batch names its batch, and enqueue --batch sets it")
		return nil
	}
	t := console.NewTable("batch", "accepted", "waiting", "created", "other", "last change")
	for _, b := range latest {
		created := b.Outcomes[tasks.Created]
		t.Add(b.Name, strconv.Itoa(b.Accepted), strconv.Itoa(b.Waiting), strconv.Itoa(created),
			strconv.Itoa(b.Accepted-b.Waiting-created), b.LastChange().Format(tasks.TimeLayout))
	}
	if err := t.Write(std.out); err != nil {
		return err
	}
	if all > len(latest) {
		fmt.Fprintf(std.err, "%d more; --limit lists them\n", all-len(latest))
	}
	return nil
}

// mostBatches bounds the memory of a list of batches.
const mostBatches = 100_000

func encodeEach[T any](w io.Writer, all []T) error {
	out := json.NewEncoder(printable.Writer(w))
	for _, one := range all {
		if err := out.Encode(one); err != nil {
			return err
		}
	}
	return nil
}

// BatchShowCmd shows one batch.
type BatchShowCmd struct {
	Name   string `arg:"" help:"The name of the batch."`
	Format string `help:"table or json (one object)." default:"table"`
	RedisConfig
}

// Help is shown below the flags.
func (BatchShowCmd) Help() string {
	return `The counters change together with the orders, so they are exact. How long the orders
that wait still take follows from the quotas of the running workers and from what else
waits for the same app_codes; docs/batches.md says how. Times are from the clock of
Redis, in UTC. Exit code 2: there is no such batch.`
}

// Run implements the command.
func (c *BatchShowCmd) Run(ctx context.Context, std stdio) error {
	var found checks
	server, keys := c.redis(&found), c.keys(&found)
	c.Format = found.choice("--format", c.Format, "table", "json")
	checkBatchName(&found, "NAME", c.Name)
	if err := found.err(); err != nil {
		return err
	}
	var b batches.Batch
	err := withRedis(ctx, std.err, server, keys, redischeck.Inspector, func(ctx context.Context, rdb redis.UniversalClient) (err error) {
		b, err = batches.New(rdb, keys).Read(ctx, c.Name)
		return err
	})
	switch {
	case errors.Is(err, batches.ErrNoBatch):
		return inputError{fmt.Errorf("%w: %s; qfpay-worker batch list shows those that there are", batches.ErrNoBatch, c.Name)}
	case err != nil:
		return err
	case c.Format == "json":
		return encodeEach(std.out, []batches.Batch{b})
	}
	return showBatch(std.out, b)
}

// checkBatchName checks the name of a batch.
func checkBatchName(found *checks, what, name string) {
	if !tasks.ValidBatch(name) {
		found.failed(what, "must be the name of a batch, 1 to 64 letters, digits, ., _ or -, not %q", name)
	}
}

// showBatch writes a batch for a person.
func showBatch(w io.Writer, b batches.Batch) error {
	s := sheet{console.NewTable("batch", b.Name)}
	s.table.Fix(labelWidth - 2)
	s.add("accepted", strconv.Itoa(b.Accepted))
	s.add("waiting", strconv.Itoa(b.Waiting))
	for _, o := range tasks.Outcomes() {
		if n := b.Outcomes[o]; n > 0 || o == tasks.Created {
			s.add(string(o), strconv.Itoa(n))
		}
	}
	if len(b.Merchants) > 1 {
		for _, m := range b.Merchants[:min(mostMerchants, len(b.Merchants))] {
			s.add("merchant", fmt.Sprintf("%s: %d accepted, %d waiting", m.Merchant, m.Accepted, m.Waits.Interactive+m.Waits.Bulk))
		}
	}
	if more := len(b.Merchants) - mostMerchants; more > 0 {
		s.add("", fmt.Sprintf("and %d more merchants; --format json has all", more))
	}
	s.time("first order", b.FirstAcceptedAt)
	s.time("last order", b.LastAcceptedAt)
	s.time("last result", b.LastSettledAt)
	s.time("not before", b.LastNotBefore)
	if f := b.Forecast; f != nil {
		s.add("time left", fmt.Sprintf("%s, until %s%s", about(f.Takes), f.DoneAt.Format(time.RFC3339), behind(*f)))
		s.add("", assumed(*f))
	}
	return s.table.Write(w)
}

// behind says what else waits.
func behind(f batches.Forecast) (text string) {
	if f.Before > 0 {
		text = ", behind " + strings.Replace(counted(f.Before), " ", " other ", 1)
	}
	if f.Later > 0 {
		text += fmt.Sprintf("; %d more are put off for over a minute and not counted", f.Later)
	}
	return text
}

// assumed says which quotas are not known, or "".
func assumed(f batches.Forecast) string {
	const named = 3
	if len(f.Assumed) == 0 {
		return ""
	}
	names := strings.Join(f.Assumed[:min(named, len(f.Assumed))], ", ")
	if more := len(f.Assumed) - named; more > 0 {
		names += fmt.Sprintf(" and %d more", more)
	}
	return fmt.Sprintf("no running worker has merchant %s: the time cannot be known; assumed are QFPay's %d calls a minute from now on",
		names, batches.AssumedPerMinute)
}

// about shows a duration for a person.
func about(d time.Duration) string {
	switch {
	case d < time.Second:
		return "about 1 s"
	case d < 2*time.Minute:
		return fmt.Sprintf("about %.0f s", d.Seconds())
	case d < 2*time.Hour:
		return fmt.Sprintf("about %.0f min", d.Minutes())
	}
	return fmt.Sprintf("about %.1f h", d.Hours())
}

func counted(orders int) string {
	if orders == 1 {
		return "1 order"
	}
	return fmt.Sprintf("%d orders", orders)
}
