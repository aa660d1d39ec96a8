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
	"github.com/qfpay-worker/qfpay-worker/cmd/internal/redischeck"
	"github.com/qfpay-worker/qfpay-worker/qfpay"
	"github.com/qfpay-worker/qfpay-worker/tasks"
	"github.com/qfpay-worker/qfpay-worker/tasks/orderfile"
)

// EnqueueCmd checks the orders of a file and enqueues them.
type EnqueueCmd struct {
	Lane     string `help:"Lane of rows without one: interactive or bulk." default:"bulk"`
	Merchant string `help:"Merchant of rows without one." default:"default"`
	Rejects  string `help:"Write invalid rows to this file, as NDJSON: line, reason, order." placeholder:"FILE"`
	File     string `arg:"" help:"CSV with a header row, or NDJSON; - is standard input."`
	RedisConfig
	DurabilityConfig
	HighWaterConfig
}

// Help is shown below the flags.
func (EnqueueCmd) Help() string {
	return `Columns and keys have QFPay's names. out_trade_no, pay_type, txamt and txcurrcd are
required. goods_name, expired_time, limit_pay, pay_tag, udid, notify_url, txdtm,
merchant, deadline and lane are optional. The last line, on standard output, has the
counts: enqueued=N duplicate=N invalid=N. Enqueuing a file again is harmless: orders
that were enqueued before are counted as duplicates.

Exit code 0: all rows are enqueued, now or before. 2: some rows are invalid; the
command prints the line and the reason of each, and enqueues the others. 1: Redis
failed or the command was interrupted; run it again.`
}

// pingTimeout is how long a command waits for Redis before it gives up. It is enough for a
// few attempts to connect.
const pingTimeout = 5 * time.Second

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
	e := &enqueuer{
		producer: tasks.NewProducer(rdb, keys).WithDurability(tasks.Durability(c.Durability)).WithHighWater(mark),
		lane:     tasks.Lane(c.Lane), merchant: c.Merchant,
		rejects: rejects, notes: progress, progress: progress,
	}
	err = server.ready(ctx, std.err, rdb, keys, redischeck.Producer)
	if err == nil {
		err = e.all(ctx, in)
	}
	progress.Close()
	err = e.explain(err, server, rejects.close(std.err))
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

// ping checks that Redis answers, before the command reads its input.
func ping(ctx context.Context, rdb redis.UniversalClient) error {
	ctx, cancel := context.WithTimeout(ctx, pingTimeout)
	defer cancel()
	return rdb.Ping(ctx).Err()
}

// explain returns the error of the command. stopped is the error that ended the work early,
// or nil.
func (e *enqueuer) explain(stopped error, server Redis, rejectsErr error) error {
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
		return fmt.Errorf("interrupted after line %d; run it again to continue: orders already enqueued are counted as duplicates", e.line)
	case errors.As(stopped, &reading):
		return fmt.Errorf("after line %d: %w", e.line, stopped)
	}
	if errors.As(stopped, &full) {
		return fmt.Errorf("stopped after line %d: %w\nRun it again then: orders already enqueued are counted as duplicates", e.line, full)
	}
	if e.line == 0 {
		return fmt.Errorf("Redis at %s (REDIS_URL) failed at the start: %w", server, stopped)
	}
	return fmt.Errorf("Redis at %s (REDIS_URL) failed after line %d: %w\nNothing is lost: run it again, and orders already enqueued are counted as duplicates", server, e.line, stopped)
}

// enqueuer enqueues one file.
type enqueuer struct {
	producer *tasks.Producer
	lane     tasks.Lane // of rows without one
	merchant string     // of rows without one
	rejects  *rejects
	notes    io.Writer // messages about invalid rows
	progress *console.Progress

	enqueued, duplicate int
	line                int // every row up to this line is done
}

// batchSize is the most rows for one call of EnqueueAll. It is a few of its pipelines, so
// that it can accept the orders of one while it wakes workers for those of another.
const batchSize = 1000

// graceTime is how long a batch in flight may still take after the command was interrupted,
// so that the counts of the command are correct.
const graceTime = 3 * time.Second

// readError is an error of the file, not of Redis.
type readError struct{ error }

// Unwrap returns the cause, for [errors.Is] and [errors.As].
func (e readError) Unwrap() error { return e.error }

// readRow is a row, and how many bytes of the file were read up to it.
type readRow struct {
	orderfile.Row
	read int64
}

// all enqueues every row of in.
func (e *enqueuer) all(ctx context.Context, in io.Reader) error {
	reading, stop := context.WithCancel(ctx)
	defer stop()
	rows, ended := read(reading, in)

	// A batch in flight is finished even if the command is interrupted.
	sending, abandon := outliving(ctx, graceTime)
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

// outliving returns a context that ends some time after ctx, or when it is cancelled.
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

// read reads rows ahead, while the previous batch is sent to Redis. After the last row it
// sends the error that ended the reading, or nil at the end of the file.
func read(ctx context.Context, in io.Reader) (<-chan readRow, <-chan error) {
	rows, ended := make(chan readRow, batchSize), make(chan error, 1)
	go func() {
		defer close(rows)
		counted := &countingReader{Reader: in}
		file := orderfile.NewRows(counted)
		for {
			row, err := file.Next()
			if err != nil {
				ended <- endOf(err)
				return
			}
			select {
			case rows <- readRow{row, counted.n}:
			case <-ctx.Done():
				ended <- ctx.Err()
				return
			}
		}
	}()
	return rows, ended
}

// endOf returns nil for the end of the file, and any other error as one of the file.
func endOf(err error) error {
	var header *orderfile.HeaderError
	switch {
	case errors.Is(err, io.EOF):
		return nil
	case errors.As(err, &header):
		return err
	}
	return readError{err}
}

// nextBatch waits for one row and adds those that are already read: a full batch from a
// file, single rows from a person who types them. An empty batch is the end of the rows.
func nextBatch(ctx context.Context, rows <-chan readRow) ([]readRow, error) {
	var batch []readRow
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

// send enqueues the rows of a batch and counts the results, in the order of the rows.
func (e *enqueuer) send(ctx context.Context, batch []readRow) error {
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

func (e *enqueuer) withDefaults(o tasks.Order) tasks.Order {
	if o.Lane == "" {
		o.Lane = e.lane
	}
	if o.Merchant == "" {
		o.Merchant = e.merchant
	}
	return o
}

// count counts the result of one order. An order that is refused for its content makes its
// row invalid. Any other error comes from Redis, and is returned.
func (e *enqueuer) count(row *readRow, result tasks.AcceptResult) error {
	var invalid qfpay.FieldErrors
	var conflict *tasks.ConflictError
	switch {
	case result.Err == nil && result.Status == tasks.Duplicate:
		e.duplicate++
	case result.Err == nil:
		e.enqueued++
	case errors.As(result.Err, &invalid), errors.As(result.Err, &conflict):
		row.Err = result.Err
	default:
		return fmt.Errorf("line %d: %w", row.Line, result.Err)
	}
	return nil
}

// countingReader counts the bytes that were read.
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
