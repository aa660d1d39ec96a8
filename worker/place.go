package worker

import (
	"context"
	"crypto/rand"
	"time"

	"github.com/qfpay-worker/qfpay-worker/qfpay"
)

// place is a moment at which one call may leave. Redis's clock had it between the
// asking for it and the answer: from is never too early, and until never too late.
type place struct {
	limiter *limiter
	name    string
	from    time.Time
	until   time.Time
}

// newPlace returns the place of that name, which was wait away on Redis's clock.
func newPlace(l *limiter, name string, asked time.Time, wait time.Duration) *place {
	return &place{limiter: l, name: name, from: time.Now().Add(wait), until: asked.Add(wait + leaveFor)}
}

// called is an order that was called up from its line, with the place it was given.
type called struct {
	id    string
	place *place
}

// giveBack returns a place that was not used, also when its caller has no time left.
func (p *place) giveBack(ctx context.Context) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), margin)
	defer cancel()
	l := p.limiter
	pipe := l.rdb.Pipeline()
	pipe.ZRem(ctx, l.keys[0], p.name)
	pipe.ZRem(ctx, l.keys[1], p.name)
	if _, err := pipe.Exec(ctx); err != nil {
		l.observer.Observe(RedisFailed{Op: "give_back"}) // it runs out by itself
	}
}

// leave waits for the place, and returns it as leave for a call.
func (p *place) leave(ctx context.Context) (qfpay.Leave, error) {
	if err := sleep(ctx, time.Until(p.from)); err != nil {
		p.giveBack(ctx)
		return qfpay.Leave{}, err
	}
	return qfpay.Leave{Until: p.until, GiveBack: func() { p.giveBack(ctx) }}, nil
}

// asker asks for the places of one attempt's calls of one class. It implements
// [qfpay.Limiter].
type asker struct {
	limiter *limiter
	class   class
	attempt *attempt
}

// Take implements [qfpay.Limiter]. An order that was called up comes with a place, which
// its first call uses, unless the merchant has another app_code since.
func (a *asker) Take(ctx context.Context) (qfpay.Leave, error) {
	if p := a.attempt.place; p != nil {
		a.attempt.place = nil
		if p.limiter.appCode == a.limiter.appCode && time.Now().Before(p.until) {
			return p.leave(ctx)
		}
		p.giveBack(ctx)
	}
	name, asked := rand.Text(), time.Now()
	if a.class == classBulk {
		if length, known := a.limiter.full.join(asked, a.limiter.each); known {
			return qfpay.Leave{}, a.later(length)
		}
	}
	wait, granted, err := a.limiter.take(ctx, a.class, name)
	if err != nil {
		return qfpay.Leave{}, err
	}
	if granted {
		return newPlace(a.limiter, name, asked, wait).leave(ctx)
	}
	if a.class == classBulk {
		a.limiter.full.note(asked, wait)
	}
	return qfpay.Leave{}, a.later(wait)
}

// later has the attempt put its order in line.
func (a *asker) later(length time.Duration) error {
	a.attempt.line = a.limiter.line(a.class)
	return &qfpay.Throttled{RetryAfter: length}
}

// client returns the merchant's client for this attempt's calls of one class.
func (a *attempt) client(c class) *qfpay.Client {
	client := *a.at.client
	if a.at.limiter != nil {
		client.Limiter = &asker{limiter: a.at.limiter, class: c, attempt: a}
	}
	return &client
}

// class is that of the call that an attempt begins with.
func (a *attempt) class() class {
	if a.claim.state != stateNew {
		return classDoubt
	}
	return classOf(a.order.Lane)
}
