package worker

import (
	"context"
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
	spares  []string // names of the spare places that came with it (lua/call.lua)
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
func (p *place) giveBack(ctx context.Context) { p.limiter.giveBack(ctx, p.name) }

// giveBack returns the places of these names.
func (l *limiter) giveBack(ctx context.Context, names ...string) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), margin)
	defer cancel()
	pipe := l.rdb.Pipeline()
	pipe.ZRem(ctx, l.keys[0], names)
	pipe.ZRem(ctx, l.keys[1], names)
	if _, err := pipe.Exec(ctx); err != nil {
		l.observer.Observe(RedisFailed{Op: "give_back"}) // they run out by themselves
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
