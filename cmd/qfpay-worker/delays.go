package main

import (
	"context"
	"fmt"
	"io"
	"maps"
	"slices"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/qfpay-worker/qfpay-worker/cmd/internal/console"
	"github.com/qfpay-worker/qfpay-worker/internal/printable"
	"github.com/qfpay-worker/qfpay-worker/internal/redispipe"
	"github.com/qfpay-worker/qfpay-worker/tasks"
)

// delays says, each once, what keeps orders from their results that a person may have to mend.
type delays struct {
	rdb      redis.UniversalClient
	keys     tasks.Keys
	producer *tasks.Producer
	known    *remarks // what was said when the orders were enqueued

	said   map[string]bool
	looked time.Time
}

// delayPause is the least time between two looks.
const delayPause = 5 * time.Second

// look looks what holds up the orders of rows. An error of Redis is ignored: who waits for the orders
// sees it too.
func (d *delays) look(ctx context.Context, w io.Writer, open []*awaitedRow) {
	if time.Since(d.looked) < delayPause {
		return
	}
	d.looked = time.Now()
	merchants, payTypes := map[string]bool{}, map[string]bool{}
	for _, row := range open {
		merchants[row.Order.Merchant] = true
		payTypes[row.Order.Merchant+":"+string(row.Order.PayType)] = true
	}
	names := slices.Sorted(maps.Keys(merchants))
	pausable := append(slices.Sorted(maps.Keys(payTypes)), names...)
	pipe := d.rdb.Pipeline()
	running, damaged := pipe.Exists(ctx, d.keys.Merchants()), pipe.ZCard(ctx, d.keys.Damaged())
	paused := pipe.HMGet(ctx, d.keys.Paused(), pausable...)
	if redispipe.Exec(ctx, pipe) != nil {
		return
	}
	if running.Val() == 0 {
		d.say(w, "no worker runs, as far as Redis shows: the orders wait until one does, or expire")
	}
	for i, since := range paused.Val() {
		if since != nil {
			d.say(w, fmt.Sprintf("%s is paused: its orders wait until it is resumed, or expire", pausable[i]))
		}
	}
	if damaged.Val() > 0 {
		d.say(w, "some orders were put aside because their journals are damaged: qfpay-worker audit names them; they go on after order retry")
	}
	without, _ := d.producer.WithoutWorker(ctx, names...)
	for _, name := range without {
		if text := noWorkerHas(name); !d.known.has(text) {
			d.say(w, text+": its orders wait until one has it, or expire")
		}
	}
}

// mostDelays bounds how much is said: a file may have a merchant in each row.
const mostDelays = 20

func (d *delays) say(w io.Writer, text string) {
	if d.said[text] || len(d.said) == mostDelays {
		return
	}
	if d.said == nil {
		d.said = map[string]bool{}
	}
	d.said[text] = true
	fmt.Fprintln(w, "qfpay-worker:", printable.String(text))
}

// waitProgress shows how many orders have their results: as a bar on a terminal, elsewhere as a line
// now and then.
type waitProgress struct {
	*console.Progress
	total int
	lines io.Writer // nil: a terminal

	from  int       // settled, when the first order was waited for
	since time.Time // when that was
	said  time.Time
}

// everyLine is the time between two lines about the progress.
const everyLine = 30 * time.Second

func newWaitProgress(w io.Writer, total int) *waitProgress {
	p := &waitProgress{Progress: console.NewProgress(w, int64(total), "settled"), total: total}
	if !console.IsTerminal(w) {
		p.lines = w
	}
	return p
}

func (p *waitProgress) show(settled, created int) {
	p.Show(int64(settled), settled)
	now := time.Now()
	if p.since.IsZero() {
		p.from, p.since, p.said = settled, now, now
	}
	if p.lines != nil && now.Sub(p.said) >= everyLine {
		p.said = now
		fmt.Fprintf(p.lines, "qfpay-worker: %s\n", progressLine(settled, p.total, created, p.from, now.Sub(p.since)))
	}
}

func (p *waitProgress) close() { p.Close() }

// progressLine says how far a file is. from is how many orders were settled at first, and took the
// time since.
func progressLine(settled, total, created, from int, took time.Duration) string {
	line := fmt.Sprintf("%d of %d orders have their result, %d are created", settled, total, created)
	if settled > from && settled < total {
		left := took * time.Duration(total-settled) / time.Duration(settled-from)
		line += fmt.Sprintf("; about %s left", left.Round(time.Second))
	}
	return line
}
