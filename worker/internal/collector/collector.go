// Package collector joins the queries of one merchant's orders into few calls.
//
// It never decides what a row means for an order, never calls without a permit, and never takes an
// order that a window of time does not show for one that is not there: it says that the order must be
// asked for by its number. Start reading at [Collector.Ask].
package collector

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

// Collector joins the queries of one merchant that want to leave at the same time. QFPay takes a
// list of order numbers in one query, so after an outage many orders in doubt need few calls.
//
// There is no goroutine of its own: of the attempts that ask, one leads. It waits a moment for
// others, and for a permit; it makes the call for as many as fit, and answers each.
type Collector struct {
	mu        sync.Mutex
	waiting   []*Question
	led       bool      // an attempt collects for the next call
	apart     time.Time // until then each asks for itself, by its number
	listed    time.Time // until then no window is asked about
	sightings map[string]sighting
}

// Question is one order's query.
type Question struct {
	OutTradeNo string
	Months     []qfpay.Month
	SentAt     time.Time     // of the latest create: a window of time around it may show the order; zero: by its number only
	Within     time.Duration // how old what a window has shown may be; 0: only what is read from now on counts
	Limiter    qfpay.Limiter // of the attempt that asks; nil: no limit
	Reserved   bool          // the attempt has a reservation

	lead     chan struct{} // the attempt has to lead now
	answered chan Answer   // the answer of another one's call
}

// Answer is what one order's query has shown.
type Answer struct {
	Rows  []qfpay.Record
	Err   error
	Apart bool // the error may be another order's, or the call was not about the number: ask again, by the number
}

// Ask returns the rows of one order. It waits even when ctx ends meanwhile: by then another
// attempt may have used this one's permit.
func (c *Collector) Ask(ctx context.Context, client *qfpay.Client, q *Question) Answer {
	q.lead, q.answered = make(chan struct{}, 1), make(chan Answer, 1)
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

// join adds a question, unless a window has just answered it, and reports whether its attempt leads.
func (c *Collector) join(q *Question) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if rows := c.sightingOf(q); rows != nil {
		q.answered <- Answer{Rows: rows}
		return false
	}
	c.waiting = append(c.waiting, q)
	leads := !c.led
	c.led = true
	return leads
}

// collect makes one call for those who wait, the leader's question among them, and lets another
// one lead the rest.
func (c *Collector) collect(ctx context.Context, client *qfpay.Client, leader *Question) {
	if leader.Limiter != nil {
		wait.Sleep(ctx, timing.JoinQuery) // when ctx has ended, there is no permit
	}
	var batch []*Question
	var inWindow bool
	a := Answer{Err: &qfpay.NotSent{Endpoint: "query", Err: errNotAsked}}
	defer func() { // also when the leader panics: its fault is not that of those who wait
		if batch == nil {
			batch = c.take(leader, a.Err)
		}
		for _, q := range batch {
			q.answered <- a.to(q, batch, inWindow)
		}
	}()
	permit, err := c.permit(ctx, leader)
	if err != nil {
		a.Err = err
		return
	}
	joined := *client
	if leader.Limiter != nil {
		joined.Limiter = &prepaid{permit: permit, Limiter: leader.Limiter}
	}
	var window qfpay.Window
	if window, batch, inWindow = c.takeWindow(leader); inWindow {
		a.Rows, a.Err = c.queryWindow(ctx, &joined, window, batch)
	} else {
		batch = c.take(leader, nil)
		a.Rows, a.Err = joined.Query(ctx, numbersOf(batch), leader.Months)
	}
	if a.Apart = len(batch) > 1 && aboutOne(a.Err); a.Apart && !inWindow {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.apart = time.Now().Add(timing.AskApart)
	}
}

// to returns the answer to one question of a batch. What a window shows is a proof, also where a further
// page failed; an order that it does not show, or only in another case, must be asked for by its number.
func (a Answer) to(q *Question, batch []*Question, inWindow bool) Answer {
	own := Answer{rowsOf(q, batch, a.Rows), a.Err, a.Apart}
	if !inWindow {
		return own
	}
	own.Rows = slices.DeleteFunc(own.Rows, func(r qfpay.Record) bool { return strings.TrimSpace(r.OutTradeNo) != q.OutTradeNo })
	switch {
	case len(own.Rows) > 0:
		own.Err, own.Apart = nil, false
	case a.Err == nil:
		own.Err, own.Apart = errNotInWindow, true
	}
	return own
}

// errNotAsked is the answer when the attempt that was to ask for several could not.
var errNotAsked = errors.New("the attempt that was to ask for this order did not")

// rowsOf returns the rows that are about one order of a batch. A row whose number is written in
// another case, or with blanks, is about each that it may be: the policy compares times then.
func rowsOf(q *Question, batch []*Question, rows []qfpay.Record) (own []qfpay.Record) {
	for _, r := range rows {
		isOfAnother := r.OutTradeNo != q.OutTradeNo &&
			slices.ContainsFunc(batch, func(other *Question) bool { return r.OutTradeNo == other.OutTradeNo })
		if !isOfAnother && r.HasNumber(q.OutTradeNo) && !r.IsNoOrder() {
			own = append(own, r)
		}
	}
	return own
}

// permit acquires the permit for a call: with the reservation of one who waits and has one, else
// of the leader. Who waits does nothing else meanwhile.
func (c *Collector) permit(ctx context.Context, leader *Question) (qfpay.Permit, error) {
	if leader.Limiter == nil {
		return qfpay.Permit{}, nil
	}
	by := leader
	c.mu.Lock()
	if i := slices.IndexFunc(c.waiting, func(q *Question) bool { return q.Reserved }); i >= 0 && !leader.Reserved {
		by = c.waiting[i]
		by.Reserved = false
	}
	c.mu.Unlock()
	permit, err := by.Limiter.Acquire(ctx)
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
func (c *Collector) take(leader *Question, err error) []*Question {
	c.mu.Lock()
	defer c.mu.Unlock()
	batch, rest := []*Question{leader}, c.waiting[:0:0]
	apart := time.Now().Before(c.apart)
	for _, q := range c.waiting {
		switch {
		case q == leader:
		case err != nil, !apart && slices.Equal(q.Months, leader.Months) && qfpay.Queries(append(numbersOf(batch), q.OutTradeNo)) == 1:
			batch = append(batch, q)
		default:
			rest = append(rest, q)
		}
	}
	c.handOver(rest)
	return batch
}

// handOver lets one of those who still wait lead them.
func (c *Collector) handOver(rest []*Question) {
	c.waiting, c.led = rest, len(rest) > 0
	if c.led {
		rest[0].lead <- struct{}{}
	}
}

func numbersOf(batch []*Question) []string {
	all := make([]string, len(batch))
	for i, q := range batch {
		all[i] = q.OutTradeNo
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
