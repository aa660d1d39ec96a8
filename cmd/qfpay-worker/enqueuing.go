package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/qfpay-worker/qfpay-worker/cmd/internal/console"
	"github.com/qfpay-worker/qfpay-worker/qfpay"
	"github.com/qfpay-worker/qfpay-worker/tasks"
	"github.com/qfpay-worker/qfpay-worker/tasks/orderfile"
)

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
	orderfile.Row
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
		file := orderfile.NewRows(counted)
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
	var header *orderfile.HeaderError
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
func (e *enqueuing) count(row *place, came tasks.AcceptResult) error {
	var invalid qfpay.FieldErrors
	var conflict *tasks.ConflictError
	switch {
	case came.Err == nil && came.Status == tasks.Duplicate:
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
