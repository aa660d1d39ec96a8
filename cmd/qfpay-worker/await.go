package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/qfpay-worker/qfpay-worker/internal/printable"
	"github.com/qfpay-worker/qfpay-worker/tasks"
	"github.com/qfpay-worker/qfpay-worker/tasks/orderfile"
	"github.com/qfpay-worker/qfpay-worker/worker/inspect"
)

// awaiter waits for the results of a file whose orders are enqueued, and writes the file again with
// the results beside its rows. It reads the file a second time, a chunk of rows at a time, and keeps
// nothing but that chunk: everything else is in Redis.
type awaiter struct {
	*enqueuer
	rdb       redis.UniversalClient
	inspector *inspect.Inspector
	delays    *delays
	std       stdio
	in        *os.File
	before    os.FileInfo // of in
	out       *resultsFile
	codes     *codeDir // nil: none are drawn

	shown   *waitProgress
	rows    int                   // that are written
	settled int                   // orders of rows that are written, or of the chunk
	ended   map[tasks.Outcome]int // of the settled
}

// awaitedRow is a row of the file, and how far its order is. Its Err is why it has no order.
type awaitedRow struct {
	orderfile.Row
	fingerprint string
	inspect.Progress
}

// How many rows are a chunk: so many, or fewer that have so many bytes. Their results are read in
// pages, because each has an answer of QFPay in it.
const (
	awaitedRows  = 1000
	awaitedBytes = 4 << 20
	awaitedPage  = 100
)

// How often a chunk is looked at: soon, and then less often.
const (
	firstLook = 50 * time.Millisecond
	everyLook = time.Second
)

// redisPatience is how long the command goes on while Redis fails. A restart takes less.
const redisPatience = time.Minute

// resultColumns are what the file of results has behind the input's columns.
var resultColumns = []string{"outcome", "qrcode", "qr_expires_at", "syssn", "respcd", "reason"}

// newAwaiter returns nil without --wait. Otherwise it creates what the results are written to, so that
// an error occurs before the first order is enqueued.
func (c *EnqueueCmd) newAwaiter(in io.Reader, std stdio) (*awaiter, error) {
	if !c.Wait {
		return nil, nil
	}
	a := &awaiter{std: std, ended: map[tasks.Outcome]int{}}
	var err error
	if a.in, a.before, err = readableTwice(c.File, in); err != nil {
		return nil, err
	}
	if a.codes, err = newCodeDir(c.QRDir); err != nil {
		return nil, err
	}
	if c.Rejects != "" && samePath(c.Rejects, resultsName(c.Results, c.File)) {
		return nil, fmt.Errorf("--results: %s is the file of --rejects", c.Rejects)
	}
	a.out, err = newResultsFile(resultsName(c.Results, c.File), c.File, std.out)
	return a, err
}

// readableTwice returns a file that can be read a second time, and what it is like before the first.
func readableTwice(name string, in io.Reader) (*os.File, os.FileInfo, error) {
	f, is := in.(*os.File)
	if !is {
		return nil, nil, fmt.Errorf("--wait: %s is no file", name)
	}
	info, err := f.Stat()
	if err == nil && !info.Mode().IsRegular() {
		err = fmt.Errorf("--wait reads its file twice, and %s is not a regular file: save it in a file first", name)
	}
	return f, info, err
}

// connect says how the orders are enqueued.
func (a *awaiter) connect(e *enqueuer, rdb redis.UniversalClient) {
	a.enqueuer, a.rdb = e, rdb
	a.inspector = inspect.New(rdb, e.settings.keys)
	a.delays = &delays{rdb: rdb, keys: e.settings.keys, producer: e.producer}
}

// abandon removes what is not complete.
func (a *awaiter) abandon() {
	if a != nil {
		a.out.abandon()
	}
}

// run writes the file of results, when the orders are enqueued. Its last line of counts goes to w.
func (a *awaiter) run(ctx context.Context, w io.Writer) error {
	a.delays.known = a.remarks
	if a.codes != nil {
		a.codes.several = a.several
	}
	a.shown = newWaitProgress(a.std.err, a.enqueued+a.duplicate)
	err := a.all(ctx)
	a.shown.close()
	if err == nil {
		err = a.unchanged()
	}
	if err == nil {
		err = a.out.commit()
	}
	if err != nil {
		return a.explain(err)
	}
	a.codes.note(a.std.err)
	refused := a.rows - a.settled
	for _, o := range tasks.Outcomes() {
		fmt.Fprintf(w, "%s=%d ", o, a.ended[o])
	}
	if _, err := fmt.Fprintf(w, "invalid=%d\n", refused); err != nil {
		return err
	}
	if not := a.rows - a.ended[tasks.Created]; not > 0 {
		return inputError{fmt.Errorf("%d of %d rows are not created: %s says why", not, a.rows, a.out)}
	}
	return nil
}

// all writes all rows.
func (a *awaiter) all(ctx context.Context) error {
	if _, err := a.in.Seek(0, io.SeekStart); err != nil {
		return readError{err}
	}
	a.enqueuer.rows = orderfile.NewEncodedRows(a.in, a.settings.encoding)
	for first := true; ; first = false {
		chunk, err := a.next()
		if err != nil {
			return err
		}
		if first {
			if err := a.out.write(a.enqueuer.rows.ExtendedHead(resultColumns)); err != nil {
				return err
			}
		}
		if len(chunk) == 0 {
			return nil
		}
		if err := a.settle(ctx, chunk); err != nil {
			return err
		}
		if err := a.write(ctx, chunk); err != nil {
			return err
		}
	}
}

// next reads the next rows. There are none at the end of the file.
func (a *awaiter) next() ([]awaitedRow, error) {
	var chunk []awaitedRow
	for bytes := 0; len(chunk) < awaitedRows && bytes < awaitedBytes; {
		row, err := a.enqueuer.rows.Next()
		if errors.Is(err, io.EOF) {
			return chunk, nil
		}
		if err != nil {
			return nil, cmp.Or(a.unchanged(), error(readError{err}))
		}
		a.prepare(&row)
		one := awaitedRow{Row: row}
		if row.Err == nil {
			o := row.Order.WithDefaults(a.began)
			one.fingerprint, one.Err = o.Fingerprint(), a.valid(o)
		}
		bytes += len(row.Raw)
		chunk = append(chunk, one)
	}
	return chunk, nil
}

// settle waits until each order of a chunk has its result.
func (a *awaiter) settle(ctx context.Context, chunk []awaitedRow) error {
	var open []*awaitedRow
	for i := range chunk {
		if chunk[i].Err == nil {
			open = append(open, &chunk[i])
		}
	}
	for pause := firstLook; ; pause = min(2*pause, everyLook) {
		err := a.patiently(ctx, func() (err error) {
			open, err = a.look(ctx, open)
			return err
		})
		if err != nil {
			return err
		}
		a.shown.show(a.far(ctx))
		if len(open) == 0 {
			return nil
		}
		if pause == everyLook {
			a.delays.look(ctx, a.shown, open)
		}
		if err := sleep(ctx, pause); err != nil {
			return err
		}
	}
}

// sleep ends early with ctx, and then returns its error.
func sleep(ctx context.Context, d time.Duration) error {
	select {
	case <-time.After(d):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// patiently calls fn again while Redis fails, for redisPatience.
func (a *awaiter) patiently(ctx context.Context, fn func() error) error {
	for began, first := time.Now(), true; ; first = false {
		err := fn()
		_, vanished := errors.AsType[*vanishedError](err)
		if err == nil || vanished || time.Since(began) > redisPatience {
			return err
		}
		if first && ctx.Err() == nil {
			fmt.Fprintf(a.shown, "qfpay-worker: Redis fails, and is tried again for %s: %s\n", redisPatience, printable.String(err.Error()))
		}
		if err := sleep(ctx, everyLook); err != nil {
			return err
		}
	}
}

// far returns how many orders are settled, and how many are created. The batch's counters know it also
// of the rows behind the chunk, unless the batch has orders of other files. An error of Redis is ignored.
func (a *awaiter) far(ctx context.Context) (settled, created int) {
	settled, created = a.settled, a.ended[tasks.Created]
	var counted struct {
		Accepted int `redis:"accepted"`
		Waiting  int `redis:"waiting"`
		Created  int `redis:"created"`
	}
	fields := []string{"accepted", "waiting", string(tasks.Created)}
	err := a.rdb.HMGet(ctx, a.settings.keys.Batch(a.settings.batch), fields...).Scan(&counted)
	if err != nil || counted.Accepted > a.shown.total {
		return settled, created
	}
	return max(settled, counted.Accepted-counted.Waiting), max(created, counted.Created)
}

// vanishedError means that an order which was enqueued is not in Redis any more.
type vanishedError struct{ id string }

// Error implements error.
func (e *vanishedError) Error() string { return "order " + e.id + " is not in Redis any more" }

// look reads how far the orders of rows are, and returns the rows whose orders have no result yet. After
// an error of Redis these are all of them.
func (a *awaiter) look(ctx context.Context, rows []*awaitedRow) (open []*awaitedRow, err error) {
	ids := make([]string, len(rows))
	for i, row := range rows {
		ids[i] = row.Order.ID()
	}
	all, err := a.inspector.Progress(ctx, ids)
	if err != nil {
		return rows, err
	}
	for i, row := range rows {
		switch row.Progress = all[i]; {
		case row.State == "" && row.Order.CheckAhead(a.began) != nil:
			row.Err = row.Order.CheckAhead(a.began)
		case row.State == "":
			return nil, &vanishedError{ids[i]}
		case row.Fingerprint != row.fingerprint:
			// The words are the same however far the order is: the file must be the same each time.
			row.Err = fmt.Errorf("%s already exists with other content, and an order cannot be changed; use a new out_trade_no", ids[i])
		case row.State != "DONE":
			open = append(open, row)
		default:
			a.settled++
			a.ended[tasks.Outcome(row.Outcome)]++
		}
	}
	return open, nil
}

// write writes the rows of a chunk, whose orders are settled.
func (a *awaiter) write(ctx context.Context, chunk []awaitedRow) error {
	for from := 0; from < len(chunk); from += awaitedPage {
		page := chunk[from:min(from+awaitedPage, len(chunk))]
		var results []tasks.Result
		err := a.patiently(ctx, func() (err error) {
			results, err = a.results(ctx, page)
			return err
		})
		if err != nil {
			return err
		}
		for i, row := range page {
			r := results[i]
			if a.codes != nil && r.QRCode != "" {
				if err := a.codes.draw(r); err != nil {
					return err
				}
			}
			values := []string{r.Outcome, r.QRCode, r.QRExpires, r.Syssn, r.RespCd, printable.String(r.Reason)}
			if err := a.out.write(a.enqueuer.rows.Extended(row.Row, resultColumns, values)); err != nil {
				return err
			}
		}
		a.rows += len(page)
	}
	return a.out.flush()
}

// results returns the results of rows. That of a row without an order, or of an order whose result is
// gone, says why in its reason.
func (a *awaiter) results(ctx context.Context, page []awaitedRow) ([]tasks.Result, error) {
	var entries []string
	for _, row := range page {
		if row.Err == nil {
			entries = append(entries, row.Entry)
		}
	}
	found, err := a.inspector.ResultsAt(ctx, entries)
	if err != nil {
		return nil, err
	}
	results := make([]tasks.Result, len(page))
	for i, row := range page {
		if row.Err != nil {
			results[i].Reason = fmt.Sprintf("line %d: %v", row.Line, row.Err)
			continue
		}
		e := found[0]
		found = found[1:]
		if results[i] = e.Result; e.Err != nil {
			results[i] = tasks.Result{Outcome: row.Outcome, Reason: gone(row.Outcome, e.Err)}
		}
	}
	return results, nil
}

// gone is the reason in the row of an order whose result cannot be read.
func gone(outcome string, err error) string {
	if outcome == string(tasks.Created) {
		return err.Error() + ", and the QR code was there only"
	}
	return err.Error()
}

// unchanged returns an error if the file is another one than that whose orders were enqueued.
func (a *awaiter) unchanged() error {
	now, err := a.in.Stat()
	if err != nil {
		return readError{err}
	}
	if now.Size() != a.before.Size() || !now.ModTime().Equal(a.before.ModTime()) {
		return inputError{errors.New("the file was changed while its orders were waited for: run the same command again")}
	}
	return nil
}

// explain returns the error of the command, which has enqueued all orders.
func (a *awaiter) explain(err error) error {
	const goesOn = "\nNothing is lost: the same command goes on"
	var reading readError
	var writing *writeError
	var vanished *vanishedError
	var input inputError
	far := fmt.Sprintf("%d of %d orders have their result", a.settled, a.enqueued+a.duplicate)
	switch {
	case errors.As(err, &input):
		return err
	case errors.Is(err, context.Canceled):
		return fmt.Errorf("interrupted: %s%s", far, goesOn)
	case errors.As(err, &writing):
		return fmt.Errorf("%w; %s\nNothing is lost: the results are in the result stream, and the same command goes on", err, far)
	case errors.As(err, &vanished):
		return fmt.Errorf("%w (FLUSHALL, or a failover): %s\nThe same command enqueues again what is missing, and goes on", err, far)
	case errors.As(err, &reading):
		return err
	}
	return fmt.Errorf("Redis at %s (REDIS_URL) failed: %w; %s%s", a.settings.server, err, far, goesOn)
}
