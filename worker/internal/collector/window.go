package collector

import (
	"cmp"
	"context"
	"errors"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/qfpay-worker/qfpay-worker/qfpay"
	"github.com/qfpay-worker/qfpay-worker/worker/internal/timing"
)

// windowFrom is how many calls it must take to ask by the numbers: the rows of others are in a window, too, and
// it often has two pages.
const windowFrom = 3

// burstPages is how many pages a window may always have. Where creates come in bursts its margins alone have
// hundreds of rows, of orders that will ask in the next moment.
const burstPages = 4

// sighting is what a window has shown of one order.
type sighting struct {
	rows []qfpay.Record
	at   time.Time // when it was asked about, at the latest
}

// errNotInWindow is the answer when the order was not in the window of time that was asked about.
var errNotInWindow = errors.New("the order is not in the window of time, and must be asked for by its number")

// takeWindow returns the questions that one window answers, if there are enough of them, and the window.
func (c *Collector) takeWindow(leader *Question) (w qfpay.Window, batch []*Question, ok bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if now := time.Now(); now.Before(c.apart) || now.Before(c.listed) {
		return w, nil, false
	}
	w, batch = windowOf(leader, c.waiting)
	if batch == nil {
		return w, nil, false
	}
	c.handOver(slices.DeleteFunc(slices.Clone(c.waiting), func(q *Question) bool { return slices.Contains(batch, q) }))
	return w, batch, true
}

// windowOf returns the window of sysdtm that shows the orders which were sent at about the time of the
// leader's, and the questions about them: so many that the window, with its margins, holds the most of
// them in a second. None: they are too few, or the window would span two Months.
func windowOf(leader *Question, waiting []*Question) (w qfpay.Window, batch []*Question) {
	if leader.SentAt.IsZero() {
		return w, nil
	}
	away := func(q *Question) time.Duration { return q.SentAt.Sub(leader.SentAt).Abs() }
	near := slices.DeleteFunc(slices.Clone(waiting), func(q *Question) bool { return q.SentAt.IsZero() || away(q) > timing.WindowReach })
	slices.SortStableFunc(near, func(a, b *Question) int { return cmp.Compare(away(a), away(b)) })
	var densest float64
	first, last := leader.SentAt, leader.SentAt
	for i, q := range near {
		if q.SentAt.Before(first) {
			first = q.SentAt
		}
		if q.SentAt.After(last) {
			last = q.SentAt
		}
		from, to := first.Add(-timing.WindowMargin), last.Add(2*timing.WindowMargin)
		density := float64(i+1) / to.Sub(from).Seconds()
		if windows := qfpay.Windows(from, to, ""); density >= densest && len(windows) == 1 && qfpay.Queries(numbersOf(near[:i+1])) >= windowFrom {
			w, batch, densest = windows[0], near[:i+1], density
		}
	}
	return w, batch
}

// queryWindow asks for the rows of a window, until they have shown all orders of the batch. Of many
// pages it reads no more than there would be calls by their numbers. What it shows of others answers those that
// ask soon.
func (c *Collector) queryWindow(ctx context.Context, client *qfpay.Client, w qfpay.Window, batch []*Question) (rows []qfpay.Record, err error) {
	asked, numbers := time.Now(), numbersOf(batch)
	missing := map[string]bool{}
	for _, n := range numbers {
		missing[n] = true
	}
	pages := max(burstPages, qfpay.Queries(numbers))
	_, err = client.QueryWindow(ctx, w, 1, func(page []qfpay.Record) bool {
		rows = append(rows, page...)
		for _, r := range page {
			delete(missing, strings.TrimSpace(r.OutTradeNo))
		}
		pages--
		return len(missing) > 0 && pages > 0
	})
	c.mu.Lock()
	defer c.mu.Unlock()
	c.keep(rows, asked)
	if err == nil && 2*len(missing) > len(batch) || aboutOne(err) {
		c.listed = time.Now().Add(timing.AskApart)
	}
	return rows, err
}

// keep notes what a window has shown, and forgets what is too old.
func (c *Collector) keep(rows []qfpay.Record, asked time.Time) {
	maps.DeleteFunc(c.sightings, func(_ string, s sighting) bool { return time.Since(s.at) > timing.SightedFor })
	byNumber := map[string]sighting{}
	for _, r := range rows {
		if !r.IsNoOrder() {
			n := strings.TrimSpace(r.OutTradeNo)
			byNumber[n] = sighting{append(byNumber[n].rows, r), asked}
		}
	}
	if c.sightings == nil {
		c.sightings = map[string]sighting{}
	}
	maps.Copy(c.sightings, byNumber)
}

// sightingOf returns the rows of an order that a window has just shown. The caller holds the lock.
func (c *Collector) sightingOf(q *Question) []qfpay.Record {
	s := c.sightings[q.OutTradeNo]
	if q.SentAt.IsZero() || time.Since(s.at) >= q.Within {
		return nil
	}
	return s.rows
}
