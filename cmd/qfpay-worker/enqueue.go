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
	"github.com/qfpay-worker/qfpay-worker/qfpay"
	"github.com/qfpay-worker/qfpay-worker/tasks"
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
	var header *tasks.HeaderError
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

// enqueuing is one file on its way into the queue.
type enqueuing struct {
	producer *tasks.Producer
	lane     tasks.Lane // of rows that name none
	merchant string     // the same
	rejects  *rejects
	notes    io.Writer // for people
	progress *console.Progress

	enqueued, duplicate int
	line                int // up to which every row is dealt with
}

// batchSize is how many rows are given to EnqueueAll at once at most: a few of its
// pipelines, so that it can accept one while it wakes workers for another.
const batchSize = 1000

// lastWords is how long a batch that is on its way may still take after the command
// was interrupted, so that what it says of its rows is true.
const lastWords = 3 * time.Second

// readError is an error of the file, not of Redis.
type readError struct{ error }

// Unwrap gives the cause to [errors.Is] and [errors.As].
func (e readError) Unwrap() error { return e.error }

// place is a row and how far into the file it is.
type place struct {
	tasks.Row
	read int64
}

// all enqueues every row of in.
func (e *enqueuing) all(ctx context.Context, in io.Reader) error {
	reading, stop := context.WithCancel(ctx)
	defer stop()
	rows, ended := read(reading, in)

	// A batch under way is finished even when the command is interrupted.
	sending, abandon := outliving(ctx, lastWords)
	defer abandon()
	for {
		batch, err := nextBatch(ctx, rows)
		if err != nil {
			return err
		}
		if len(batch) == 0 {
			return <-ended
		}
		if err := e.send(sending, batch); err != nil {
			return err
		}
	}
}

// outliving returns a context that ends a while after ctx does, or when cancelled.
func outliving(ctx context.Context, by time.Duration) (context.Context, context.CancelFunc) {
	late, cancel := context.WithCancel(context.WithoutCancel(ctx))
	stop := context.AfterFunc(ctx, func() {
		select {
		case <-time.After(by):
			cancel()
		case <-late.Done():
		}
	})
	return late, func() { stop(); cancel() }
}

// read reads rows ahead, while the batch before them is on its way to Redis. It
// sends what ended the file, nil for its end, after the last row.
func read(ctx context.Context, in io.Reader) (<-chan place, <-chan error) {
	rows, ended := make(chan place, batchSize), make(chan error, 1)
	go func() {
		defer close(rows)
		counted := &countingReader{Reader: in}
		file := tasks.NewRows(counted)
		for {
			row, err := file.Next()
			if err != nil {
				ended <- endOf(err)
				return
			}
			select {
			case rows <- place{row, counted.n}:
			case <-ctx.Done():
				ended <- ctx.Err()
				return
			}
		}
	}()
	return rows, ended
}

// endOf tells the end of a file from an error of it.
func endOf(err error) error {
	var header *tasks.HeaderError
	switch {
	case errors.Is(err, io.EOF):
		return nil
	case errors.As(err, &header):
		return err
	}
	return readError{err}
}

// nextBatch waits for one row and takes those that are there with it: a full batch
// from a file, and each row at once from somebody who types them. None means that
// the rows have ended.
func nextBatch(ctx context.Context, rows <-chan place) ([]place, error) {
	var batch []place
	select {
	case row, ok := <-rows:
		if !ok {
			return nil, ctx.Err()
		}
		batch = append(batch, row)
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	for len(batch) < batchSize {
		select {
		case row, ok := <-rows:
			if !ok {
				return batch, nil
			}
			batch = append(batch, row)
		default:
			return batch, nil
		}
	}
	return batch, nil
}

// send enqueues the rows of a batch and counts what came of each, in their order.
func (e *enqueuing) send(ctx context.Context, batch []place) error {
	orders := make([]tasks.Order, 0, len(batch))
	for _, row := range batch {
		if row.Err == nil {
			orders = append(orders, e.withDefaults(row.Order))
		}
	}
	accepted, failed := e.producer.EnqueueAll(ctx, orders)
	for _, row := range batch {
		if row.Err == nil {
			if err := e.count(&row, accepted[0]); failed == nil {
				failed = err
			}
			accepted = accepted[1:]
		}
		if row.Err != nil {
			e.rejects.add(e.notes, row.Row)
		}
		if failed == nil {
			e.line = row.Line
		}
	}
	e.progress.Show(batch[len(batch)-1].read, e.enqueued+e.duplicate+e.rejects.count)
	return failed
}

func (e *enqueuing) withDefaults(o tasks.Order) tasks.Order {
	if o.Lane == "" {
		o.Lane = e.lane
	}
	if o.Merchant == "" {
		o.Merchant = e.merchant
	}
	return o
}

// count counts what came of one order. One that is refused for what it is becomes
// an invalid row; any other error is Redis's, and is returned.
func (e *enqueuing) count(row *place, came tasks.Accepted) error {
	var invalid qfpay.FieldErrors
	var conflict *tasks.ConflictError
	switch {
	case came.Err == nil && came.Acceptance == tasks.Duplicate:
		e.duplicate++
	case came.Err == nil:
		e.enqueued++
	case errors.As(came.Err, &invalid), errors.As(came.Err, &conflict):
		row.Err = came.Err
	default:
		return fmt.Errorf("line %d: %w", row.Line, came.Err)
	}
	return nil
}

// countingReader counts what was read.
type countingReader struct {
	io.Reader
	n int64
}

// Read implements io.Reader.
func (r *countingReader) Read(b []byte) (int, error) {
	n, err := r.Reader.Read(b)
	r.n += int64(n)
	return n, err
}
