package simulator

import (
	"context"
	"math/rand/v2"
	"sync"
	"time"
)

// Gateway is one simulated gateway. Its methods may be called from many goroutines.
type Gateway struct {
	config   Config
	accounts map[string]Account

	mu        sync.Mutex
	offset    time.Duration // by Advance
	perSecond int
	perMinute int
	random    *rand.Rand // of calls
	notices   *rand.Rand // of notifications; apart, so that a payment does not shift the calls' faults
	faults    Faults
	drawings  []drawing
	choose    func(Call) Fault
	ledger    ledger
	serial    int // of the last syssn
	calls     []*Call
	limits    map[string]*limits
	underWay  []*exchange // not yet carried out
	mail      mailbox
}

// New makes a gateway. It panics where c.Validate returns an error; call that first
// for a Config that comes from a user.
func New(c Config) *Gateway {
	if err := c.Validate(); err != nil {
		panic("simulator: " + err.Error())
	}
	c = c.withDefaults()
	g := &Gateway{
		config:   c,
		accounts: map[string]Account{},
		random:   rand.New(rand.NewPCG(c.Seed, 1)),
		notices:  rand.New(rand.NewPCG(c.Seed, 2)),
		ledger:   newLedger(),
		limits:   map[string]*limits{},
		mail:     newMailbox(),
	}
	for _, a := range c.Merchants {
		g.accounts[a.AppCode] = a
	}
	g.SetLimits(c.PerSecond, c.PerMinute)
	g.faults, g.drawings = c.Faults, c.Faults.compile()
	return g
}

// SetFaults replaces the faults, for calls that arrive from now on.
func (g *Gateway) SetFaults(f Faults) error {
	if err := f.Validate(); err != nil {
		return err
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	g.faults, g.drawings = f, f.compile()
	return nil
}

// Choose has f say which fault a call meets, in place of the probabilities; for
// tests that want a certain one at a certain call. f gets the call as it arrived; an
// empty Fault, or one that is not known, is none. f must not use the Gateway. A nil f
// ends this.
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

// Advance moves the gateway's clock forward. Orders expire by it, limits and
// enquiry windows follow it, and calls that were to be carried out by then are,
// before anybody can look.
func (g *Gateway) Advance(by time.Duration) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.offset += by
	g.mail.wake()
}

// Now returns the time of the gateway's clock.
func (g *Gateway) Now() time.Time {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.now()
}

func (g *Gateway) now() time.Time { return g.config.Now().Add(g.offset) }

// Orders returns every order ever stored, in that order, as it stands now.
func (g *Gateway) Orders() []Order {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.landDue()
	now := g.now()
	all := make([]Order, len(g.ledger.all))
	for i, o := range g.ledger.all {
		o.expire(now)
		all[i] = *o
	}
	return all
}

// handle takes a request to its answer.
func (g *Gateway) handle(ctx context.Context, q request) (answer, error) {
	return g.finish(ctx, g.arrive(q))
}

// finish lets the time pass that a call takes. When ctx ends its answer is lost, and
// if it has not been carried out by then it is nevertheless, when it is due.
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

// pause waits on a timer, the only thing besides a context that a synctest bubble
// lets time pass for.
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
