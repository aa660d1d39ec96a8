package worker

import (
	"context"
	"crypto/rand"
	"time"

	"github.com/qfpay-worker/qfpay-worker/qfpay"
)

// permits is what an attempt has of its merchant's limits.
type permits struct {
	place *place // that its order was called up with; nil: it was not
	taken bool   // a call has that place, or it is too late for it
	asked bool   // a call had leave: the next one follows on it
	line  *line  // that the order has to wait in for the next call; nil: there was no need
}

// calledUp returns the place that the order was called up with, once, if it is still good
// and the merchant has no other app_code since.
func (p *permits) calledUp(l *limiter) *place {
	if p.place == nil || p.taken || p.place.limiter.appCode != l.appCode || !time.Now().Before(p.place.until) {
		return nil
	}
	p.taken = true
	return p.place
}

// spare returns the name of a place that is given up for another one, or "".
func (p *permits) spare(l *limiter) (name string) {
	if p.place == nil || len(p.place.spares) == 0 || p.place.limiter.appCode != l.appCode {
		return ""
	}
	name, p.place.spares = p.place.spares[0], p.place.spares[1:]
	return name
}

// giveBack returns what the order was called up with and did not use.
func (p *permits) giveBack(ctx context.Context) {
	if p.place == nil {
		return
	}
	names := p.place.spares
	if !p.taken {
		names = append(names, p.place.name)
	}
	if len(names) > 0 {
		p.place.limiter.giveBack(ctx, names...)
	}
}

// asker asks for the places of one attempt's calls of one class. It implements
// [qfpay.Limiter].
type asker struct {
	limiter *limiter
	class   class
	permits *permits
}

// Take implements [qfpay.Limiter]. The first call of an order that was called up has the
// place that it came with.
func (a *asker) Take(ctx context.Context) (qfpay.Leave, error) {
	p := a.permits.calledUp(a.limiter)
	if p == nil {
		var err error
		if p, err = a.ask(ctx); err != nil {
			return qfpay.Leave{}, err
		}
	}
	a.permits.asked = true
	return p.leave(ctx)
}

// ask asks for a place, and has the order join the line when there is none soon enough.
func (a *asker) ask(ctx context.Context) (*place, error) {
	name, asked := rand.Text(), time.Now()
	wait, granted, err := a.askFor(ctx, name)
	if err != nil {
		return nil, err
	}
	if !granted {
		return nil, a.later(wait)
	}
	return newPlace(a.limiter, name, asked, wait), nil
}

// askFor asks for a place of this name. A call in doubt that follows on another one
// goes before the line: the attempt would have to begin again with the first one.
func (a *asker) askFor(ctx context.Context, name string) (wait time.Duration, granted bool, err error) {
	if a.class == classDoubt && a.permits.asked {
		return a.limiter.follow(ctx, a.class, name, a.permits.spare(a.limiter))
	}
	return a.limiter.take(ctx, a.class, name)
}

// later has the attempt put its order in line.
func (a *asker) later(length time.Duration) error {
	a.permits.line = a.limiter.line(a.class)
	return &qfpay.Throttled{RetryAfter: length}
}

// client returns the merchant's client for this attempt's calls of one class.
func (a *attempt) client(c class) *qfpay.Client {
	client := *a.merchant.client
	if a.merchant.limiter != nil {
		client.Limiter = &asker{limiter: a.merchant.limiter, class: c, permits: &a.permits}
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
