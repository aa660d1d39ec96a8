package worker

import (
	"cmp"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/qfpay-worker/qfpay-worker/worker/internal/timing"
)

// turnstile stands before a gateway and counts, in windows of its own, since no test can
// wait for minutes. What is over its limit it answers with HTTP 429.
type turnstile struct {
	http.Handler
	url    string
	window time.Duration
	late   *lateness

	mu      sync.Mutex
	limit   int // in a window; 0: any number
	passed  []time.Time
	arrived []time.Time
	refused []time.Time

	under, most atomic.Int64 // calls under way, and the most there ever were
}

func newTurnstile(t *testing.T, gateway http.Handler, window time.Duration) *turnstile {
	g := &turnstile{Handler: gateway, window: window, late: witness(t)}
	server := httptest.NewServer(g)
	t.Cleanup(server.Close)
	g.url = server.URL
	return g
}

// ServeHTTP implements [http.Handler].
func (g *turnstile) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	defer g.under.Add(-1)
	for n := g.under.Add(1); n > g.most.Load(); n = g.under.Load() {
		g.most.Store(n)
	}
	if !g.admit(time.Now()) {
		w.WriteHeader(http.StatusTooManyRequests)
		return
	}
	g.Handler.ServeHTTP(w, r)
}

func (g *turnstile) admit(now time.Time) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.arrived = append(g.arrived, now)
	for len(g.passed) > 0 && now.Sub(g.passed[0]) >= g.window {
		g.passed = g.passed[1:]
	}
	if g.limit > 0 && len(g.passed) >= g.limit {
		g.refused = append(g.refused, now)
		return false
	}
	g.passed = append(g.passed, now)
	return true
}

func (g *turnstile) setLimit(n int) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.limit = n
}

// between returns how many calls arrived, and were refused, in a span of time.
func (g *turnstile) between(from, to time.Time) (arrived, refused int) {
	g.mu.Lock()
	defer g.mu.Unlock()
	count := func(all []time.Time) (n int) {
		for _, t := range all {
			if !t.Before(from) && t.Before(to) {
				n++
			}
		}
		return n
	}
	return count(g.arrived), count(g.refused)
}

// theWay is how much longer the way to a gateway may take for one call than for another.
const theWay = 60 * time.Millisecond

// excess returns how many calls would have arrived within less than the window after the
// n-th before them, had each had a way of its own to go. A call that arrived late because
// the machine did not run this process is not the limiter's fault.
func (g *turnstile) excess(n int, window time.Duration) (excess int) {
	g.mu.Lock()
	defer g.mu.Unlock()
	type call struct{ at, late time.Duration }
	calls := make([]call, len(g.arrived))
	for i, t := range g.arrived {
		calls[i] = call{at: t.Sub(g.arrived[0]) + rand.N(theWay), late: g.late.before(t)}
	}
	slices.SortFunc(calls, func(a, b call) int { return cmp.Compare(a.at, b.at) })
	for i := n; i < len(calls); i++ {
		if before := calls[i-n]; calls[i].at-before.at+before.late < window {
			excess++
		}
	}
	return excess
}

// lateness is when this process was not run, and for how long.
type lateness struct {
	mu    sync.Mutex
	until []time.Time
	lasts []time.Duration
}

// witness notes lateness until the test ends.
func witness(t *testing.T) *lateness {
	l, done := &lateness{}, make(chan struct{})
	var watching sync.WaitGroup
	watching.Go(func() {
		const every = 2 * time.Millisecond
		tick := time.NewTicker(every)
		defer tick.Stop()
		for last := time.Now(); ; {
			select {
			case <-done:
				return
			case <-tick.C:
			}
			now := time.Now()
			if late := now.Sub(last) - every; late > 5*every {
				l.note(now, late)
			}
			last = now
		}
	})
	t.Cleanup(func() { close(done); watching.Wait() })
	return l
}

func (l *lateness) note(until time.Time, last time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.until, l.lasts = append(l.until, until), append(l.lasts, last)
}

// before is how long in all the process was not run in the moments before.
func (l *lateness) before(t time.Time) (sum time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for i, until := range l.until {
		if since := t.Sub(until); since > -10*time.Millisecond && since < 200*time.Millisecond {
			sum += l.lasts[i]
		}
	}
	return sum
}

// cost is how long in all it was not run, and for each time that places may have lapsed
// meanwhile: those given out ahead.
func (l *lateness) cost() (sum time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	var last time.Time
	for i, until := range l.until {
		sum += l.lasts[i] + min(timing.DispatchAhead, until.Sub(last))
		last = until
	}
	return sum
}
