package main

import (
	"cmp"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/qfpay-worker/qfpay-worker/cmd/internal/console"
	"github.com/qfpay-worker/qfpay-worker/qfpay"
	"github.com/qfpay-worker/qfpay-worker/tasks"
	"github.com/qfpay-worker/qfpay-worker/tasks/orderfile"
)

// enqueuer enqueues one file.
type enqueuer struct {
	settings enqueueSettings
	producer *tasks.Producer // nil: the orders are only checked
	rows     *orderfile.Rows
	rejects  *rejects
	remarks  *remarks
	notes    io.Writer // messages about invalid rows
	progress *console.Progress

	enqueued, duplicate int // enqueued: or valid, when the orders are only checked
	line                int // every row up to this line is done

	began    time.Time
	merchant string               // of the first order
	several  bool                 // orders of several merchants
	checked  map[[16]byte][8]byte // when the orders are only checked: ids and contents, as digests
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
	counted := &countingReader{Reader: in}
	e.rows = orderfile.NewEncodedRows(counted, e.settings.encoding)
	rows, ended := read(reading, e.rows, counted)

	// A batch in flight is finished even if the command is interrupted.
	sending, abandon := outliving(ctx, graceTime)
	defer abandon()
	for {
		batch, err := nextBatch(ctx, rows)
		if err != nil {
			return err
		}
		if len(batch) == 0 {
			err := <-ended
			e.remarks.looks = e.rows.Looks()
			return err
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
func read(ctx context.Context, file *orderfile.Rows, counted *countingReader) (<-chan readRow, <-chan error) {
	rows, ended := make(chan readRow, batchSize), make(chan error, 1)
	go func() {
		defer close(rows)
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
	for i := range batch {
		e.prepare(&batch[i].Row)
		if batch[i].Err == nil {
			orders = append(orders, batch[i].Order)
		}
	}
	accepted, failed := e.accept(ctx, orders)
	var waiting []orderfile.Row // for their results
	for _, row := range batch {
		if row.Err == nil {
			if err := e.count(&row, accepted[0]); failed == nil {
				failed = err
			}
			if row.Err == nil && accepted[0].Err == nil {
				e.several = e.several || e.merchant != "" && e.merchant != row.Order.Merchant
				e.merchant = row.Order.Merchant
				if accepted[0].State != "DONE" {
					waiting = append(waiting, row.Row)
				}
			}
			accepted = accepted[1:]
		}
		e.note(row.Row)
		if failed == nil {
			e.line = row.Line
		}
	}
	if failed == nil {
		e.remarkMerchants(ctx, waiting)
	}
	e.progress.Show(batch[len(batch)-1].read, e.enqueued+e.duplicate+e.rejects.count)
	return failed
}

// remarkMerchants keeps which orders no running worker has the merchant of. The orders are enqueued:
// an error of Redis is ignored.
func (e *enqueuer) remarkMerchants(ctx context.Context, waiting []orderfile.Row) {
	if e.producer == nil { // they are only checked
		return
	}
	merchants := make([]string, len(waiting))
	for i, row := range waiting {
		merchants[i] = row.Order.Merchant
	}
	without, _ := e.producer.WithoutWorker(ctx, merchants...)
	for _, row := range waiting {
		if _, is := slices.BinarySearch(without, row.Order.Merchant); is {
			e.remarks.withoutWorker(row)
		}
	}
}

// accept enqueues orders, or only checks them.
func (e *enqueuer) accept(ctx context.Context, orders []tasks.Order) ([]tasks.AcceptResult, error) {
	if e.producer != nil {
		return e.producer.EnqueueAll(ctx, orders)
	}
	results := make([]tasks.AcceptResult, len(orders))
	for i, o := range orders {
		o = o.WithDefaults(e.began)
		if results[i].Err = cmp.Or(e.valid(o), o.CheckAhead(e.began)); results[i].Err == nil {
			results[i].Err = e.checkAgain(o)
		}
	}
	return results, nil
}

// valid returns why an order is refused for its content.
func (e *enqueuer) valid(o tasks.Order) error {
	if err := o.Validate(); err != nil {
		return err
	}
	return e.settings.name.Check(o)
}

// checkAgain returns the conflict of an order whose number was in the file before, with other content.
// A million orders need some 60 MB.
func (e *enqueuer) checkAgain(o tasks.Order) error {
	if e.checked == nil {
		e.checked = map[[16]byte][8]byte{}
	}
	id, content := sha256.Sum256([]byte(o.ID())), sha256.Sum256([]byte(o.Fingerprint()))
	key, value := [16]byte(id[:16]), [8]byte(content[:8])
	if before, is := e.checked[key]; is && before != value {
		return &tasks.ConflictError{ID: o.ID(), State: "NEW"}
	}
	e.checked[key] = value
	return nil
}

// note keeps what a person should hear of a row.
func (e *enqueuer) note(row orderfile.Row) {
	switch _, misread := errors.AsType[*orderfile.EncodingError](row.Err); {
	case row.Err == nil:
		e.remarks.add(row)
	case misread:
		e.remarks.misread(row)
		e.rejects.addUnnamed(e.rows, row)
	default:
		e.rejects.add(e.notes, e.rows, row)
	}
}

// counts returns the closing line.
func (e *enqueuer) counts() string {
	if e.producer == nil {
		return fmt.Sprintf("valid=%d invalid=%d", e.enqueued, e.rejects.count)
	}
	return fmt.Sprintf("enqueued=%d duplicate=%d invalid=%d", e.enqueued, e.duplicate, e.rejects.count)
}

// strictly returns the warnings about an order as its error, if they must be.
func (e *enqueuer) strictly(o tasks.Order) error {
	if warnings := o.Warnings(); e.settings.strict && len(warnings) > 0 {
		return qfpay.FieldErrors(warnings)
	}
	return nil
}

// prepare fills in what the flags say of a row, and refuses one that has warnings under --strict.
func (e *enqueuer) prepare(row *orderfile.Row) {
	if row.Err == nil {
		row.Order = e.withDefaults(row.Order)
		row.Err = e.strictly(row.Order)
	}
}

func (e *enqueuer) withDefaults(o tasks.Order) tasks.Order {
	if o.Batch == "" {
		o.Batch = e.settings.batch
	}
	if o.Lane == "" {
		o.Lane = e.settings.lane
	}
	if o.Merchant == "" {
		o.Merchant = e.settings.merchant
	}
	return e.settings.withBatch(o)
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
