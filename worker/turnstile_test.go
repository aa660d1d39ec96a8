package worker

import (
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"
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

// peak returns the most calls that would have arrived in any window of this length, had
// each had a way of its own to go. Where the machine stopped the whole test for a while,
// calls were late that were not: so much shorter is the window.
func (g *turnstile) peak(window time.Duration) int {
	g.mu.Lock()
	defer g.mu.Unlock()
	at := make([]time.Duration, len(g.arrived))
	for i, t := range g.arrived {
		at[i] = t.Sub(g.arrived[0]) + rand.N(theWay)
	}
	slices.Sort(at)
	return most(at, window-g.late.longest())
}

// lateness is how long this process was not run at all, at the longest.
type lateness struct {
	mu  sync.Mutex
	max time.Duration
}

// witness measures lateness until the test ends.
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
			l.mu.Lock()
			l.max = max(l.max, now.Sub(last)-2*every)
			l.mu.Unlock()
			last = now
		}
	})
	t.Cleanup(func() { close(done); watching.Wait() })
	return l
}

func (l *lateness) longest() time.Duration {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.max
}
