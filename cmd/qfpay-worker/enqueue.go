package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/qfpay-worker/qfpay-worker/cmd/internal/console"
	"github.com/qfpay-worker/qfpay-worker/cmd/internal/redischeck"
	"github.com/qfpay-worker/qfpay-worker/tasks"
	"github.com/qfpay-worker/qfpay-worker/tasks/orderfile"
)

// EnqueueCmd checks the orders of a file and enqueues them.
type EnqueueCmd struct {
	Lane       string `help:"Lane of rows without one: interactive or bulk." default:"bulk"`
	Merchant   string `help:"Merchant of rows without one." default:"default"`
	Rejects    string `help:"Write invalid rows to this file, with the reason in front, to be mended and enqueued again; - is standard output." placeholder:"FILE"`
	Encoding   string `help:"Of the file: utf-8 (or UTF-16), big5, gb18030 or windows-1252." default:"utf-8"`
	Check      bool   `help:"Only validate the file; needs no Redis."`
	Strict     bool   `help:"Reject rows that would only get a warning."`
	AllowEmpty bool   `help:"Accept a file without orders."`
	Wait       bool   `help:"Wait until every order has its result, and write the file again with the results beside the rows."`
	Results    string `help:"Where --wait writes that file; - is standard output. Default: orders.results.csv for orders.csv, beside it." placeholder:"FILE"`
	QRDir      string `name:"qr-dir" help:"With --wait, draw the QR code of each created order into this directory, as a PNG with the order's number." placeholder:"DIR"`
	File       string `arg:"" help:"CSV with a header row, or JSON; - is standard input."`
	BatchConfig
	GoodsNameConfig
	RedisConfig
	DurabilityConfig
	HighWaterConfig
}

// Help is shown below the flags.
func (EnqueueCmd) Help() string {
	return `Columns and keys have QFPay's names. out_trade_no, pay_type, txamt and txcurrcd are
required. goods_name, expired_time, limit_pay, pay_tag, rmb_tag, udid, notify_url,
txdtm, merchant, deadline, lane, not_before and batch are optional. The last line, on standard output,
has the counts: enqueued=N duplicate=N invalid=N, or with --check valid=N invalid=N.
Enqueuing a file again is harmless: orders that were enqueued before are counted as
duplicates. Before it begins, the command says on standard error how long the orders
take at the quotas of the running workers.

With --wait the file of results has one row for each row of the file, in its sequence:
the row as it is, then outcome, qrcode, qr_expires_at, syssn, respcd and reason. The
file appears when it is complete. A command that was interrupted or killed has lost
nothing: the same command goes on, and gives the same file.

Exit code 0: all rows are enqueued, now or before; with --wait, and every order is
created. 2: some rows are invalid; the command prints the line and the reason of each,
and enqueues the others. With --wait also 2: some order is not created. Also 2 for a
file without orders. 1: Redis failed or the command was interrupted; run it again.`
}

// Run implements the command.
func (c *EnqueueCmd) Run(ctx context.Context, std stdio) error {
	s, err := c.resolve()
	if err != nil {
		return err
	}
	in, size, err := open(c.File, std.in)
	if err != nil {
		return inputError{err}
	}
	defer in.Close()
	counts := std.out
	if c.Rejects == "-" || c.Results == "-" {
		counts = std.err
	}
	w, err := c.newAwaiter(in, std)
	if err != nil {
		return inputError{err}
	}
	defer w.abandon()
	rejects, err := newRejects(c.Rejects, c.File, std.out)
	if err != nil {
		return inputError{err}
	}
	progress := console.NewProgress(std.err, size, "orders")
	e := &enqueuer{settings: s, rejects: rejects, remarks: newRemarks(s.name), notes: progress, progress: progress, began: time.Now()}
	if !c.Check {
		rdb := s.server.Connect("qfpay-worker-enqueue", 0)
		defer rdb.Close()
		e.producer = tasks.NewProducer(rdb, s.keys).WithDurability(tasks.Durability(c.Durability)).WithHighWater(s.mark).WithGoodsName(s.name)
		role := redischeck.Producer
		if c.Wait {
			role = redischeck.Awaiter
			w.connect(e, rdb)
		}
		if err = s.server.ready(ctx, std.err, rdb, s.keys, role); err == nil && size > 0 {
			e.forecast(ctx, std.err, rdb, c.File)
		}
	}
	if err == nil {
		err = e.all(ctx, in)
	}
	progress.Close()
	rejectsErr := rejects.close(std.err)
	e.remarks.write(std.err)
	waits := c.Wait && err == nil && rejectsErr == nil && (e.line > 0 || c.AllowEmpty)
	if !waits {
		err = e.explain(err, c, rejectsErr)
	}
	_, outErr := fmt.Fprintln(counts, e.counts())
	if waits && outErr == nil {
		return w.run(ctx, counts)
	}
	return errors.Join(err, outErr)
}

// enqueueSettings are the checked settings and flags.
type enqueueSettings struct {
	server   Redis
	keys     tasks.Keys
	mark     int
	name     tasks.GoodsName
	encoding orderfile.Encoding
	lane     tasks.Lane // of rows without one
	merchant string     // of rows without one
	strict   bool
	batch    string // of rows without one, or ""
	minutes  int    // lifetime of the QR codes of rows without one; 0: QFPay's
}

// resolve checks the settings and the flags together.
func (c *EnqueueCmd) resolve() (enqueueSettings, error) {
	var found checks
	s := enqueueSettings{
		server: c.redis(&found), keys: c.keys(&found), mark: c.HighWaterConfig.resolve(&found),
		name: c.GoodsNameConfig.resolve(&found), merchant: c.Merchant, strict: c.Strict,
		lane:     tasks.Lane(found.choice("--lane", c.Lane, string(tasks.Interactive), string(tasks.Bulk))),
		encoding: orderfile.EncodingOf(c.Encoding),
	}
	if s.encoding == "" {
		found.failed("--encoding", "must be utf-8, big5, gb18030 or windows-1252, not %s", quoted(c.Encoding))
	}
	c.DurabilityConfig.resolve(&found)
	s.batch, s.minutes = c.BatchConfig.resolve(&found)
	if !tasks.ValidMerchant(c.Merchant) {
		found.failed("--merchant", "must be 1 to 64 letters, digits, _ or -, not %q", c.Merchant)
	}
	if s.batch == "" && c.Wait {
		s.batch = batchOf(c.File)
	}
	c.resolveWait(&found)
	return s, found.err()
}

// resolveWait checks the flags of --wait.
func (c *EnqueueCmd) resolveWait(found *checks) {
	if !c.Wait {
		for _, f := range []struct{ flag, value string }{{"--results", c.Results}, {"--qr-dir", c.QRDir}} {
			if f.value != "" {
				found.failed(f.flag, "requires --wait")
			}
		}
		return
	}
	if c.Check {
		found.failed("--wait", "cannot be combined with --check, which enqueues nothing")
	}
	if c.File == "-" {
		found.failed("--wait", "reads its file twice, so it cannot be standard input: save it in a file first")
	}
	if c.Results == "-" && c.Rejects == "-" {
		found.failed("--results, --rejects", "cannot both be standard output")
	}
}

// open opens FILE and returns its size, or 0 if the size is not known.
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

// explain returns the error of the command. stopped is the error that ended the work early,
// or nil.
func (e *enqueuer) explain(stopped error, c *EnqueueCmd, rejectsErr error) error {
	var header *orderfile.HeaderError
	var reading readError
	var full *tasks.HighWaterError
	switch {
	case stopped == nil && rejectsErr != nil:
		return rejectsErr
	case stopped == nil && e.rejects.count > 0:
		return inputError{fmt.Errorf("%d invalid rows %s not enqueued", e.rejects.count, map[bool]string{false: "were", true: "are"}[c.Check])}
	case stopped == nil && e.line == 0 && !c.AllowEmpty:
		return inputError{fmt.Errorf("%s has no orders in it; --allow-empty accepts that", c.File)}
	case stopped == nil:
		return nil
	case errors.As(stopped, &header):
		return inputError{fmt.Errorf("%s: %w", c.File, stopped)}
	case errors.Is(stopped, context.Canceled):
		return fmt.Errorf("interrupted after line %d; run it again to continue: orders already enqueued are counted as duplicates", e.line)
	case errors.As(stopped, &reading):
		return fmt.Errorf("after line %d: %w", e.line, stopped)
	}
	if errors.As(stopped, &full) {
		return fmt.Errorf("stopped after line %d: %w\nRun it again then: orders already enqueued are counted as duplicates", e.line, full)
	}
	if e.line == 0 {
		return fmt.Errorf("Redis at %s (REDIS_URL) failed at the start: %w", e.settings.server, stopped)
	}
	return fmt.Errorf("Redis at %s (REDIS_URL) failed after line %d: %w\nNothing is lost: run it again, and orders already enqueued are counted as duplicates", e.settings.server, e.line, stopped)
}
