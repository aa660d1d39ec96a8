package worker

import (
	"flag"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/qfpay-worker/qfpay-worker/internal/redistest"
	"github.com/qfpay-worker/qfpay-worker/qfpay/simulator"
	"github.com/qfpay-worker/qfpay-worker/worker/event"
	"github.com/qfpay-worker/qfpay-worker/worker/internal/timing"
)

// hard asks for the long versions of the tests of Redis in trouble (make redis-hard).
var hard = flag.Bool("redis.hard", false, "break Redis for longer, and more often")

// steadyTimes are short enough that what was given up comes back soon, and leave
// calls enough that a slow machine changes little.
func steadyTimes() timing.Times {
	return timing.Times{Call: 2 * time.Second, Attempt: 3500 * time.Millisecond, Lease: 4 * time.Second,
		LandingTime: 6 * time.Second, Doubt: 100 * time.Millisecond, MaxDoubt: time.Second, Maintenance: time.Second}
}

// newRigOn is newRig on a server of the test's choice, with calls that take a while.
func newRigOn(t *testing.T, server *redistest.Server) *rig {
	r := newRig(t, simulator.Config{Latency: simulator.Latency{Min: 20 * time.Millisecond, Max: 60 * time.Millisecond}})
	r.server, r.rdb = server, server.Client(t)
	r.config.Redis = server.Client(t)
	r.times = steadyTimes()
	return r
}

// arrive returns a channel that is closed when the nth call is under way.
func (r *rig) arrive(n int) <-chan struct{} {
	under := make(chan struct{})
	seen := 0
	r.gateway.Choose(func(simulator.Call) simulator.Fault {
		if seen++; seen == n {
			close(under)
		}
		return ""
	})
	return under
}

// eventually polls what changes in other goroutines or processes.
func (r *rig) eventually(what string, is func() bool) {
	r.t.Helper()
	for end := time.Now().Add(30 * time.Second); !is(); {
		if time.Now().After(end) {
			r.t.Fatalf("not within 30 s: %s\nlast lines of the log:\n%s", what, r.log.tail(20))
		}
		time.Sleep(2 * time.Millisecond)
	}
}

// suffer waits until the worker has noticed that Redis does not take its results.
func (r *rig) suffer() {
	r.t.Helper()
	r.eventually("the worker fails at Redis", func() bool { return len(seen[event.RedisFailed](r.events)) >= 20 })
}

// refused returns how often the server has answered with this error since it started.
func (r *rig) refused(kind string) bool {
	return strings.Contains(r.server.Do(r.t, "info", "errorstats"), "errorstat_"+kind+":")
}

// published is how many entries the result stream has.
func (r *rig) published() int { return int(r.rdb.XLen(r.t.Context(), r.keys.Results()).Val()) }

// moreResults waits until the work has gone on a little.
func (r *rig) moreResults() {
	r.t.Helper()
	before := r.published()
	r.eventually("a few more results", func() bool { return r.published() > before+5 })
}

// enqueueEach enqueues n orders one by one: whose wake-up is lost is looked after
// within 3 s then.
func (r *rig) enqueueEach(n int) int {
	r.t.Helper()
	for i := range n {
		if _, err := r.producer().Enqueue(r.t.Context(), anOrder(fmt.Sprintf("A%04d", i))); err != nil {
			r.t.Fatal(err)
		}
	}
	return n
}

// Whatever happens to Redis in the middle of a run, each order ends once and the
// gateway's books agree.
func TestRedis_InTroubleStillHasEveryOrderEndOnce(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		args    []string
		trouble func(r *rig)
	}{
		"memory is full, then raised": {nil, func(r *rig) {
			r.server.Do(r.t, "config", "set", "maxmemory", "1")
			r.suffer()
			r.server.Do(r.t, "config", "set", "maxmemory", "0")
			if !r.refused("OOM") {
				r.t.Error("nothing was refused for want of memory")
			}
		}},
		"it becomes a replica, then a primary": {nil, func(r *rig) {
			r.server.Do(r.t, "replicaof", "127.0.0.1", "1")
			r.suffer()
			r.server.Do(r.t, "replicaof", "no", "one")
			if !r.refused("READONLY") {
				r.t.Error("nothing was refused by a replica")
			}
		}},
		"it wants a replica that is not there": {nil, func(r *rig) {
			r.server.Do(r.t, "config", "set", "min-replicas-to-write", "1")
			r.suffer()
			r.server.Do(r.t, "config", "set", "min-replicas-to-write", "0")
			if !r.refused("NOREPLICAS") {
				r.t.Error("nothing was refused for want of a replica")
			}
		}},
		// Each command of the append-only file takes half a millisecond longer to load.
		"it is killed and loads for seconds": {[]string{"--appendonly", "yes", "--appendfsync", "always", "--key-load-delay", "500"}, func(r *rig) {
			r.server.Kill()
			r.suffer()
			killed := time.Now()
			r.server.Boot(r.t)
			if loaded := time.Since(killed); loaded < 500*time.Millisecond {
				r.t.Errorf("it loaded for %s: nobody can have noticed", loaded)
			}
		}},
		"it forgets its scripts": {nil, func(r *rig) {
			for range 10 {
				r.server.Do(r.t, "script", "flush")
				r.moreResults()
			}
			if !r.refused("NOSCRIPT") {
				r.t.Error("no script was missing")
			}
		}},
		"it closes every connection": {nil, func(r *rig) {
			for range 10 {
				if r.server.Do(r.t, "client", "kill", "type", "normal") == "0" {
					r.t.Error("there was no connection to close")
				}
				r.moreResults()
			}
		}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRigOn(t, redistest.Start(t, c.args...))
			midway := r.arrive(60)
			orders := r.enqueueEach(300) // before the start: a slow machine must not be done with most of them by the time
			r.start()
			<-midway
			if c.trouble(r); r.published() >= orders {
				t.Error("all was over before the trouble was")
			}
			results := r.results(orders)
			r.agree(results)
			r.onceEach(results)
		})
	}
}
