package worker

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/qfpay-worker/qfpay-worker/qfpay"
	"github.com/qfpay-worker/qfpay-worker/worker/internal/timing"
	"github.com/qfpay-worker/qfpay-worker/worker/internal/wait"
)

// collector joins the queries of one merchant that want to leave at the same time. QFPay takes a
// list of order numbers in one query, so after an outage many orders in doubt need few calls.
//
// There is no goroutine of its own: of the attempts that ask, one leads. It waits a moment for
// others, and for a permit; it makes the call for as many as fit, and answers each.
type collector struct {
	mu      sync.Mutex
	waiting []*question
	led     bool      // an attempt collects for the next call
	apart   time.Time // until then each asks for itself, by its number
}

// question is one order's query.
type question struct {
	outTradeNo string
	months     []qfpay.Month
	sentAt     time.Time     // of the latest create: a window of time around it may show the order; zero: by its number only
	limiter    qfpay.Limiter // of the attempt that asks; nil: no limit
	reserved   bool          // the attempt has a reservation

	lead     chan struct{}    // the attempt has to lead now
	answered chan queryAnswer // the answer of another one's call
}

type queryAnswer struct {
	rows  []qfpay.Record
	err   error
	apart bool // the error may be another order's, or the call was not about the number: ask again, by the number
}

// ask returns the rows of one order. It waits even when ctx ends meanwhile: by then another
// attempt may have used this one's permit.
func (c *collector) ask(ctx context.Context, client *qfpay.Client, q *question) queryAnswer {
	q.lead, q.answered = make(chan struct{}, 1), make(chan queryAnswer, 1)
	if !c.join(q) {
		select {
		case a := <-q.answered:
			return a
		case <-q.lead:
		}
	}
	c.collect(ctx, client, q)
	return <-q.answered
}

// join adds a question, and reports whether its attempt leads.
func (c *collector) join(q *question) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.waiting = append(c.waiting, q)
	leads := !c.led
	c.led = true
	return leads
}

// collect makes one call for those who wait, the leader's question among them, and lets another
// one lead the rest.
func (c *collector) collect(ctx context.Context, client *qfpay.Client, leader *question) {
	if leader.limiter != nil {
		wait.Sleep(ctx, timing.JoinQuery) // when ctx has ended, there is no permit
	}
	var batch []*question
	var inWindow bool
	a := queryAnswer{err: &qfpay.NotSent{Endpoint: "query", Err: errNotAsked}}
	defer func() { // also when the leader panics: its fault is not that of those who wait
		if batch == nil {
			batch = c.take(leader, a.err)
		}
		for _, q := range batch {
			q.answered <- a.to(q, batch, inWindow)
		}
	}()
	permit, err := c.permit(ctx, leader)
	if err != nil {
		a.err = err
		return
	}
	joined := *client
	if leader.limiter != nil {
		joined.Limiter = &prepaid{permit: permit, Limiter: leader.limiter}
	}
	var window qfpay.Window
	if window, batch, inWindow = c.takeWindow(leader); inWindow {
		_, a.err = joined.QueryWindow(ctx, window, 1, func(rows []qfpay.Record) { a.rows = append(a.rows, rows...) })
	} else {
		batch = c.take(leader, nil)
		a.rows, a.err = joined.Query(ctx, numbersOf(batch), leader.months)
	}
	if a.apart = len(batch) > 1 && aboutOne(a.err); a.apart {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.apart = time.Now().Add(timing.AskApart)
	}
}

// to returns the answer to one question of a batch. What a window shows is a proof, also where a further
// page failed; an order that it does not show, or only in another case, must be asked for by its number.
func (a queryAnswer) to(q *question, batch []*question, inWindow bool) queryAnswer {
	own := queryAnswer{rowsOf(q, batch, a.rows), a.err, a.apart}
	if !inWindow {
		return own
	}
	own.rows = slices.DeleteFunc(own.rows, func(r qfpay.Record) bool { return strings.TrimSpace(r.OutTradeNo) != q.outTradeNo })
	switch {
	case len(own.rows) > 0:
		own.err, own.apart = nil, false
	case a.err == nil:
		own.err, own.apart = errNotInWindow, true
	}
	return own
}

// errNotInWindow is the answer when the order was not in the window of time that was asked about.
var errNotInWindow = errors.New("the order is not in the window of time, and must be asked for by its number")

// errNotAsked is the answer when the attempt that was to ask for several could not.
var errNotAsked = errors.New("the attempt that was to ask for this order did not")

// rowsOf returns the rows that are about one order of a batch. A row whose number is written in
// another case, or with blanks, is about each that it may be: the policy compares times then.
func rowsOf(q *question, batch []*question, rows []qfpay.Record) (own []qfpay.Record) {
	for _, r := range rows {
		isOfAnother := r.OutTradeNo != q.outTradeNo &&
			slices.ContainsFunc(batch, func(other *question) bool { return r.OutTradeNo == other.outTradeNo })
		if !isOfAnother && r.HasNumber(q.outTradeNo) && !r.IsNoOrder() {
			own = append(own, r)
		}
	}
	return own
}

// permit acquires the permit for a call: with the reservation of one who waits and has one, else
// of the leader. Who waits does nothing else meanwhile.
func (c *collector) permit(ctx context.Context, leader *question) (qfpay.Permit, error) {
	if leader.limiter == nil {
		return qfpay.Permit{}, nil
	}
	by := leader
	c.mu.Lock()
	if i := slices.IndexFunc(c.waiting, func(q *question) bool { return q.reserved }); i >= 0 && !leader.reserved {
		by = c.waiting[i]
		by.reserved = false
	}
	c.mu.Unlock()
	permit, err := by.limiter.Acquire(ctx)
	switch throttled, is := errors.AsType[*qfpay.Throttled](err); {
	case is:
		err = &qfpay.Throttled{Endpoint: "query", RetryAfter: throttled.RetryAfter}
	case err != nil:
		err = &qfpay.NotSent{Endpoint: "query", Err: err}
	}
	return permit, err
}

// aboutOne reports whether an error may come from one order of many: QFPay refused the query, or
// one of its rows cannot be read.
func aboutOne(err error) bool {
	_, refused := errors.AsType[*qfpay.Refusal](err)
	unread, is := errors.AsType[*qfpay.Unanswered](err)
	return refused || is && unread.HTTPStatus == http.StatusOK
}

// take returns the questions that the call is for, the leader's first: those of the same months
// whose numbers fit into it. Without a permit the answer is the same for all who wait.
func (c *collector) take(leader *question, err error) []*question {
	c.mu.Lock()
	defer c.mu.Unlock()
	batch, rest := []*question{leader}, c.waiting[:0:0]
	apart := time.Now().Before(c.apart)
	for _, q := range c.waiting {
		switch {
		case q == leader:
		case err != nil, !apart && slices.Equal(q.months, leader.months) && qfpay.OneQuery(append(numbersOf(batch), q.outTradeNo)):
			batch = append(batch, q)
		default:
			rest = append(rest, q)
		}
	}
	c.handOver(rest)
	return batch
}

// takeWindow returns the questions that one window answers, if there are enough of them, and the window.
func (c *collector) takeWindow(leader *question) (w qfpay.Window, batch []*question, ok bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if time.Now().Before(c.apart) {
		return w, nil, false
	}
	w, batch = windowOf(leader, c.waiting)
	if batch == nil {
		return w, nil, false
	}
	c.handOver(slices.DeleteFunc(slices.Clone(c.waiting), func(q *question) bool { return slices.Contains(batch, q) }))
	return w, batch, true
}

// handOver lets one of those who still wait lead them.
func (c *collector) handOver(rest []*question) {
	c.waiting, c.led = rest, len(rest) > 0
	if c.led {
		rest[0].lead <- struct{}{}
	}
}

// windowFrom is how many questions a window must answer. The rows of others are in it, too, and so many
// numbers need several calls.
const windowFrom = 20

// windowOf returns the window of sysdtm that shows the orders which were sent at about the time of the
// leader's, and the questions about them. None: they are too few, or the window would span two months.
func windowOf(leader *question, waiting []*question) (qfpay.Window, []*question) {
	var batch []*question
	first, last := leader.sentAt, leader.sentAt
	for _, q := range waiting {
		if q.sentAt.IsZero() || leader.sentAt.IsZero() || q.sentAt.Sub(leader.sentAt).Abs() > timing.WindowReach {
			continue
		}
		batch = append(batch, q)
		if q.sentAt.Before(first) {
			first = q.sentAt
		}
		if q.sentAt.After(last) {
			last = q.sentAt
		}
	}
	windows := qfpay.Windows(first.Add(-timing.WindowMargin), last.Add(2*timing.WindowMargin), "")
	if len(batch) < windowFrom || len(windows) != 1 {
		return qfpay.Window{}, nil
	}
	return windows[0], batch
}

func numbersOf(batch []*question) []string {
	all := make([]string, len(batch))
	for i, q := range batch {
		all[i] = q.outTradeNo
	}
	return all
}

// prepaid is a limiter whose first permit was acquired before. A query of two months, or of more
// than one page, needs further ones.
type prepaid struct {
	qfpay.Limiter
	permit qfpay.Permit
	used   bool
}

// Acquire implements [qfpay.Limiter].
func (p *prepaid) Acquire(ctx context.Context) (qfpay.Permit, error) {
	if !p.used {
		p.used = true
		return p.permit, nil
	}
	return p.Limiter.Acquire(ctx)
}
