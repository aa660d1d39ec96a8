package simulator

import (
	"context"
	"math/rand/v2"
	"sync"
	"time"
)

// Gateway is one simulated gateway. It is safe for concurrent use.
type Gateway struct {
	config Config

	mu        sync.Mutex
	offset    time.Duration // by Advance
	perSecond int
	perMinute int
	random    *rand.Rand // of calls
	drawings  []drawing
	choose    func(Call) Fault
	calls     []*Call
	limits    map[string]*limits
	underWay  []*exchange // not yet processed
	books     books
	past      history
}

// New makes a gateway. It panics if c.Validate returns an error; call Validate first for a
// Config from a user.
func New(c Config) *Gateway {
	if err := c.Validate(); err != nil {
		panic("simulator: " + err.Error())
	}
	c = c.withDefaults()
	g := &Gateway{config: c, random: rand.New(rand.NewPCG(c.Seed, 1)), limits: map[string]*limits{}, books: newBooks(c)}
	g.SetLimits(c.PerSecond, c.PerMinute)
	g.drawings = c.Faults.compile()
	return g
}

// SetFaults replaces the faults, for calls that arrive from now on.
func (g *Gateway) SetFaults(f Faults) error {
	if err := f.Validate(); err != nil {
		return err
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	g.books.faults, g.drawings = f, f.compile()
	return nil
}

// Choose lets f select the fault of each call, instead of the probabilities, for tests that
// need a certain fault at a certain call. f receives the call as it arrived. An empty or
// unknown Fault means no fault. f must not use the Gateway. A nil f restores the
// probabilities.
func (g *Gateway) Choose(f func(Call) Fault) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.choose = f
}

// SetLimits replaces the limits of every app_code; see Config.
func (g *Gateway) SetLimits(perSecond, perMinute int) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.perSecond = quota(perSecond, DefaultPerSecond)
	g.perMinute = quota(perMinute, DefaultPerMinute)
}

// Advance moves the gateway's clock forward. The expiry of orders, limits and query windows
// follow this clock, and calls that become due are processed before the state can be read.
func (g *Gateway) Advance(by time.Duration) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.offset += by
	g.books.mail.wake()
}

// Now returns the time of the gateway's clock.
func (g *Gateway) Now() time.Time {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.now()
}

func (g *Gateway) now() time.Time { return g.config.Now().Add(g.offset) }

// Orders returns every order ever stored, in order of storage, with its current state.
func (g *Gateway) Orders() []Order {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.landDue()
	now := g.now()
	all := make([]Order, len(g.books.ledger.all))
	for i, o := range g.books.ledger.all {
		o.expire(now)
		all[i] = *o
	}
	return all
}

// handle processes a request and returns its answer.
func (g *Gateway) handle(ctx context.Context, q request) (answer, error) {
	return g.finish(ctx, g.arrive(q))
}

// finish waits for the duration of a call. If ctx ends before, the answer is lost, but the
// call is still processed when it is due.
func (g *Gateway) finish(ctx context.Context, x *exchange) (answer, error) {
	if err := pause(ctx, x.before); err != nil {
		return answer{}, err
	}
	a := g.land(x)
	if err := pause(ctx, x.after); err != nil {
		return answer{}, err
	}
	return a, nil
}

// pause waits on a timer or ctx, the only waits for which the clock of a synctest bubble
// advances.
func pause(ctx context.Context, d time.Duration) error {
	if d <= 0 {
		return context.Cause(ctx) // as net/http's transport
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
