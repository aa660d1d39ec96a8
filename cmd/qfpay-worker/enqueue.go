package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/qfpay-worker/qfpay-worker/cmd/internal/console"
	"github.com/qfpay-worker/qfpay-worker/tasks"
	"github.com/qfpay-worker/qfpay-worker/tasks/orderfile"
)

// EnqueueCmd checks the orders of a file and enqueues them.
type EnqueueCmd struct {
	Lane     string `help:"Lane of rows that name none: interactive or bulk." default:"bulk"`
	Merchant string `help:"Merchant of rows that name none." default:"default"`
	Rejects  string `help:"Write invalid rows to this file, as NDJSON: line, reason, order." placeholder:"FILE"`
	File     string `arg:"" help:"CSV with a header row, or NDJSON; - is standard input."`
	RedisConfig
	DurabilityConfig
	HighWaterConfig
}

// Help is shown below the flags.
func (EnqueueCmd) Help() string {
	return `Columns and keys are QFPay's names: out_trade_no, pay_type, txamt and txcurrcd are
required; goods_name, expired_time, limit_pay, pay_tag, udid, notify_url, txdtm,
merchant, deadline and lane are not. The last line, on standard output, counts:
enqueued=N duplicate=N invalid=N. Enqueuing a file again is harmless: what is there
already is a duplicate.

Exit code 0: all rows are enqueued or were before. 2: some rows are invalid, each
named by line and reason; the others are enqueued. 1: Redis failed or the command
was interrupted; run it again.`
}

// pingPatience is how long Redis may take to answer before a command gives up. It
// covers a few attempts to connect.
const pingPatience = 5 * time.Second

// Run implements the command.
func (c *EnqueueCmd) Run(ctx context.Context, std stdio) error {
	server, keys, mark, err := c.resolve()
	if err != nil {
		return err
	}
	in, size, err := open(c.File, std.in)
	if err != nil {
		return inputError{err}
	}
	defer in.Close()
	rejects, err := newRejects(c.Rejects, c.File)
	if err != nil {
		return inputError{err}
	}
	rdb := server.Connect("qfpay-worker-enqueue", 0)
	defer rdb.Close()

	progress := console.NewProgress(std.err, size, "orders")
	e := &enqueuing{
		producer: tasks.NewProducer(rdb, keys).WithDurability(tasks.Durability(c.Durability)).WithHighWater(mark),
		lane:     tasks.Lane(c.Lane), merchant: c.Merchant,
		rejects: rejects, notes: progress, progress: progress,
	}
	err = ping(ctx, rdb)
	if err == nil {
		err = e.all(ctx, in)
	}
	progress.Close()
	err = e.verdict(err, server, rejects.close(std.err))
	_, outErr := fmt.Fprintf(std.out, "enqueued=%d duplicate=%d invalid=%d\n", e.enqueued, e.duplicate, rejects.count)
	return errors.Join(err, outErr)
}

// resolve checks the settings and the flags together.
func (c *EnqueueCmd) resolve() (Redis, tasks.Keys, int, error) {
	var found checks
	server, keys, mark := c.redis(&found), c.keys(&found), c.HighWaterConfig.resolve(&found)
	c.DurabilityConfig.resolve(&found)
	if !slices.Contains(tasks.Lanes(), tasks.Lane(c.Lane)) {
		found.failed("--lane", "must be interactive or bulk, not %q", c.Lane)
	}
	if !tasks.ValidMerchant(c.Merchant) {
		found.failed("--merchant", "must be 1 to 64 letters, digits, _ or -, not %q", c.Merchant)
	}
	return server, keys, mark, found.err()
}

// open opens FILE and tells its size; 0 when that is not known beforehand.
func open(name string, stdin io.Reader) (io.ReadCloser, int64, error) {
	if name == "-" {
		return io.NopCloser(stdin), 0, nil
	}
	f, err := os.Open(name)
	if err != nil {
		return nil, 0, cannotRead(name, err)
	}
	info, err := f.Stat()
	switch {
	case err != nil:
		f.Close()
		return nil, 0, cannotRead(name, err)
	case info.IsDir():
		f.Close()
		return nil, 0, fmt.Errorf("%s is a directory, not a file", name)
	case !info.Mode().IsRegular():
		return f, 0, nil
	}
	return f, info.Size(), nil
}

// ping finds out whether Redis answers, before anything is read.
func ping(ctx context.Context, rdb redis.UniversalClient) error {
	ctx, cancel := context.WithTimeout(ctx, pingPatience)
	defer cancel()
	return rdb.Ping(ctx).Err()
}

// verdict turns what stopped the work, if anything, into the error of the command.
func (e *enqueuing) verdict(stopped error, server Redis, rejectsErr error) error {
	var header *orderfile.HeaderError
	var reading readError
	var full *tasks.HighWaterError
	switch {
	case stopped == nil && rejectsErr != nil:
		return rejectsErr
	case stopped == nil && e.rejects.count > 0:
		return inputError{fmt.Errorf("%d invalid rows were not enqueued", e.rejects.count)}
	case stopped == nil:
		return nil
	case errors.As(stopped, &header):
		return inputError{stopped}
	case errors.Is(stopped, context.Canceled):
		return fmt.Errorf("interrupted after line %d; run it again to go on: what is enqueued counts as duplicate then", e.line)
	case errors.As(stopped, &reading):
		return fmt.Errorf("after line %d: %w", e.line, stopped)
	}
	if errors.As(stopped, &full) {
		return fmt.Errorf("stopped after line %d: %w\nRun it again then, and what is enqueued already counts as duplicate", e.line, full)
	}
	if e.line == 0 {
		return fmt.Errorf("Redis at %s (REDIS_URL) failed at the start: %w", server, stopped)
	}
	return fmt.Errorf("Redis at %s (REDIS_URL) failed after line %d: %w\nNothing is lost: run it again, and what is enqueued already counts as duplicate", server, e.line, stopped)
}
