package e2e

import (
	"math/rand/v2"
	"syscall"
	"time"
)

// lease is the duration of a worker's lease with QFPAY_TIMEOUT=1s.
const lease = 5 * time.Second

// attack disturbs the workers of a run: it kills and restarts one, or stops one and resumes it
// when others have its orders.
type attack struct {
	chaos  *chaos
	luck   *rand.Rand
	ticker *time.Ticker
	next   <-chan time.Time // when to strike again; nil: never
	thaw   <-chan time.Time // when to resume; nil: no worker is stopped
	victim int              // the stopped worker, while thaw is set
}

func (c *chaos) attacks() *attack {
	a := &attack{chaos: c, luck: rand.New(rand.NewPCG(c.seed, 1))}
	if c.kill > 0 {
		a.ticker = time.NewTicker(c.kill)
		a.next = a.ticker.C
	}
	return a
}

// strike kills or stops a worker. Only one at a time is stopped, because a run with all workers
// stopped would prove nothing.
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

// resume resumes the stopped worker.
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
