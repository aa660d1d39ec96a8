package e2e

import (
	"math/rand/v2"
	"syscall"
	"time"
)

// lease is how long a worker holds an order with QFPAY_TIMEOUT=1s (worker/times.go).
const lease = 5 * time.Second

// attack is what the workers of a run go through: now one is killed and started
// again, now one is stopped and resumed, when others have its orders.
type attack struct {
	chaos  *chaos
	luck   *rand.Rand
	ticker *time.Ticker
	next   <-chan time.Time // when to strike again; nil: no more
	thaw   <-chan time.Time // when to resume; nil: nobody is stopped
	victim int              // that is stopped, while thaw is set
}

func (c *chaos) attacks() *attack {
	a := &attack{chaos: c, luck: rand.New(rand.NewPCG(c.seed, 1))}
	if c.kill > 0 {
		a.ticker = time.NewTicker(c.kill)
		a.next = a.ticker.C
	}
	return a
}

// strike kills a worker, or stops one. One at a time is stopped, since a run of
// stopped workers proves nothing.
func (a *attack) strike() {
	c := a.chaos
	slot := a.luck.IntN(c.workers)
	freeze := a.luck.Float64() < c.frozen
	span := lease/2 + time.Duration(a.luck.Int64N(int64(2*lease-lease/2)))
	switch {
	case a.thaw != nil && (freeze || slot == a.victim):
	case freeze:
		c.fleet.signal(slot, syscall.SIGSTOP)
		c.freezes++
		a.victim, a.thaw = slot, time.After(span)
	default:
		c.fleet.kill(slot)
		c.kills++
	}
}

// resume lets the stopped worker go on where it was.
func (a *attack) resume() {
	a.chaos.fleet.signal(a.victim, syscall.SIGCONT)
	a.thaw = nil
}

// stop ends the attack. It may be called twice.
func (a *attack) stop() {
	if a.ticker != nil {
		a.ticker.Stop()
	}
	a.next = nil
	if a.thaw != nil {
		a.resume()
	}
}
