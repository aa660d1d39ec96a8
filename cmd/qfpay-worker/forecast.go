package main

import (
	"context"
	"fmt"
	"io"
	"math"
	"os"
	"strconv"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/qfpay-worker/qfpay-worker/internal/printable"
	"github.com/qfpay-worker/qfpay-worker/internal/redispipe"
	"github.com/qfpay-worker/qfpay-worker/tasks"
	"github.com/qfpay-worker/qfpay-worker/tasks/orderfile"
	"github.com/qfpay-worker/qfpay-worker/worker/batches"
)

// The lifetime of a QR code in minutes, where expired_time does not say it, and the longest.
const (
	defaultLifetime = 30
	longestLifetime = 120
)

// BatchConfig sets what rows of a file leave out.
type BatchConfig struct {
	Batch       string `help:"Batch of rows without one; see qfpay-worker batch show." placeholder:"NAME"`
	ExpiredTime string `help:"Lifetime in minutes, 5 to 120, of QR codes whose row does not say it, where QFPay takes it (800101, 801501, 800201). It is content: enqueue the file again with the same." placeholder:"MINUTES"`
}

// resolve checks both. minutes is 0 if no lifetime is set.
func (c BatchConfig) resolve(found *checks) (batch string, minutes int) {
	if c.Batch != "" {
		checkBatchName(found, "--batch", c.Batch)
	}
	if c.ExpiredTime == "" {
		return c.Batch, 0
	}
	minutes, err := strconv.Atoi(c.ExpiredTime)
	if err != nil || minutes < 5 || minutes > longestLifetime {
		found.failed("--expired-time", "must be 5 to %d minutes, not %q", longestLifetime, c.ExpiredTime)
	}
	return c.Batch, minutes
}

// fileTotals is what a first pass over a file finds.
type fileTotals struct {
	orders   map[string]batches.Waits // valid rows by merchant, of orders that are not enqueued yet
	count    int                      // of these orders
	enqueued int                      // orders that are enqueued already; not in orders
	inBatch  int                      // of these, those that are in the batch of the command
	later    int                      // orders with a not_before more than a minute ahead; not in orders
	lifetime int                      // the shortest of their QR codes, in minutes; 0: none runs out
}

func (f *fileTotals) add(o tasks.Order, now time.Time) {
	if o.NotBefore.After(now.Add(time.Minute)) {
		f.later++
		return
	}
	n := f.orders[o.Merchant]
	if o.Lane == tasks.Interactive {
		n.Interactive++
	} else {
		n.Bulk++
	}
	f.orders[o.Merchant] = n
	f.count++
	if o.PayType.TakesExpiredTime() {
		minutes := o.ExpiredTime
		if minutes == 0 {
			minutes = defaultLifetime
		}
		if f.lifetime == 0 || minutes < f.lifetime {
			f.lifetime = minutes
		}
	}
}

// forecast says how long the file takes, and what batch it goes on with. It passes over the file, unless
// that is not a regular one, and stops at the first error: the second pass tells it.
func (e *enqueuer) forecast(ctx context.Context, w io.Writer, rdb redis.UniversalClient, file string) {
	f, err := os.Open(file)
	if err != nil {
		return
	}
	defer f.Close()
	reader := batches.New(rdb, e.settings.keys)
	var batch batches.Batch
	if e.settings.batch != "" {
		batch, _ = reader.Counters(ctx, e.settings.batch) // without it the file has a new batch
	}
	totals, err := e.totals(ctx, f, rdb)
	if err == nil {
		if others := batch.Accepted - totals.inBatch; others > 0 {
			fmt.Fprintf(w, "batch %s has %s already that are not in this file; it goes on with both\n", batch.Name, counted(others))
		}
		err = sayForecast(ctx, w, reader, totals)
	}
	if err != nil && ctx.Err() == nil {
		fmt.Fprintln(w, "no forecast:", printable.String(err.Error()))
	}
}

// totals passes over a file, and looks which of its orders are enqueued already.
func (e *enqueuer) totals(ctx context.Context, in io.Reader, rdb redis.UniversalClient) (*fileTotals, error) {
	rows := orderfile.NewEncodedRows(in, e.settings.encoding)
	t, now := &fileTotals{orders: map[string]batches.Waits{}}, time.Now()
	orders := make([]tasks.Order, 0, batchSize)
	for more := true; more && ctx.Err() == nil; {
		for orders = orders[:0]; more && len(orders) < batchSize; {
			row, err := rows.Next()
			if more = err == nil; more && row.Err == nil {
				orders = append(orders, e.withDefaults(row.Order))
			}
		}
		pipe := rdb.Pipeline()
		journals := make([]*redis.SliceCmd, len(orders))
		for n, o := range orders {
			journals[n] = pipe.HMGet(ctx, e.settings.keys.Order(o.ID()), "state", "batch")
		}
		if err := redispipe.Exec(ctx, pipe); err != nil && !redis.HasErrorPrefix(err, "WRONGTYPE") {
			return t, err
		}
		for n, o := range orders {
			switch journal := journals[n].Val(); {
			case len(journal) < 2 || journal[0] == nil:
				t.add(o, now)
			case journal[1] == e.settings.batch:
				t.inBatch++
				fallthrough
			default:
				t.enqueued++
			}
		}
	}
	return t, ctx.Err()
}

// sayForecast reads what waits, and says how long the orders of a file take.
func sayForecast(ctx context.Context, w io.Writer, r *batches.Reader, t *fileTotals) error {
	if t.count == 0 {
		return nil
	}
	merchants := make([]string, 0, len(t.orders))
	for name := range t.orders {
		merchants = append(merchants, name)
	}
	backlog, err := r.Backlog(ctx, merchants)
	if err != nil {
		return err
	}
	f := backlog.OfNew(t.orders)
	fmt.Fprintln(w, forecastText(f, t))
	if warning := lifetimeWarning(f, t.lifetime); warning != "" {
		fmt.Fprintln(w, warning)
	}
	return nil
}

// forecastText is the line that enqueue prints before it begins.
func forecastText(f batches.Forecast, t *fileTotals) string {
	text := fmt.Sprintf("forecast: %s in %s, until %s%s", counted(t.count), about(f.Takes), f.DoneAt.Format(time.RFC3339), behind(f))
	if t.enqueued > 0 {
		text += fmt.Sprintf("; enqueued already: %s of the file", counted(t.enqueued))
	}
	if t.later > 0 {
		text += fmt.Sprintf("; waiting for their not_before: %s of the file", counted(t.later))
	}
	if unknown := assumed(f); unknown != "" {
		text += "; " + unknown
	}
	return text
}

// lifetimeWarning warns when QR codes run out before the last order is made, or returns "".
func lifetimeWarning(f batches.Forecast, lifetime int) string {
	span := f.Takes - f.Starts
	if lifetime == 0 || span <= time.Duration(lifetime)*time.Minute {
		return ""
	}
	longer := ""
	if needed := int(math.Ceil(span.Minutes())); needed <= longestLifetime {
		longer = fmt.Sprintf("use --expired-time %d, ", longestLifetime)
	}
	return fmt.Sprintf("warning: some QR codes live %d min, and the last order is made %s after the first, so codes run out before that: "+
		"%sspread the orders with not_before, or enqueue fewer at once", lifetime, about(span), longer)
}

// withBatch sets the batch and the lifetime of an order that brings none.
func (s enqueueSettings) withBatch(o tasks.Order) tasks.Order {
	if o.Batch == "" {
		o.Batch = s.batch
	}
	if o.ExpiredTime == 0 && o.PayType.TakesExpiredTime() {
		o.ExpiredTime = s.minutes
	}
	return o
}
