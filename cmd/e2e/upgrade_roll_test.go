//go:build upgrade

package e2e

import (
	"context"
	"flag"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/qfpay-worker/qfpay-worker/tasks"
)

var (
	before        = flag.String("upgrade.before", "", "qfpay-worker of the version before this one")
	upgradeOrders = flag.Int("upgrade.orders", 2400, "orders")
)

const beforeName = "qfpay-worker-before"

// The limits of this run. More orders come than they allow, so that orders wait for slots.
const (
	rollSecond = 40
	rollMinute = 1800
)

// TestUpgrade_RollsFromTheVersionBeforeAndBack stops workers of the version before while orders are in
// every state, one of them by SIGKILL, migrates, and starts this version; then the same backwards.
// Producers go on all the time. At the end every order has one true result.
func TestUpgrade_RollsFromTheVersionBeforeAndBack(t *testing.T) {
	if err := os.Symlink(*before, filepath.Join(bin, beforeName)); err != nil {
		t.Fatal(err)
	}
	p := plan{orders: *upgradeOrders, rate: 36, workers: 2, late: 2 * time.Second, latency: "300ms-900ms", twice: 0.03, unwoken: 0.01,
		lost: "auto", seed: 1, within: 10 * time.Minute}
	limits := []string{fmt.Sprintf("QFPAY_PER_SECOND=%d", rollSecond), fmt.Sprintf("QFPAY_PER_MINUTE=%d", rollMinute)}
	c := newChaos(t, p, []string{"--fault=drop=0.02", "--fault=drop_after=0.06", "--fault=reset_after=0.02", "--fault=land_late=0.02", "--fault=slow_visibility=0.02",
		fmt.Sprintf("--per-second=%d", rollSecond), fmt.Sprintf("--per-minute=%d", rollMinute), "--latency=" + p.latency, "--late=2s", "--seed=1"})
	c.orders = p.sample()
	for i := range c.orders {
		c.orders[i].Batch = "" // the version before rejects an order that has one
	}
	workers := settings(c.server, c.gateway, rightKey, append(limits, "QFPAY_TIMEOUT=3s", "WORKER_SHUTDOWN_TIMEOUT=12s", "QFPAY_MINUTE=40ms")...)
	ctx, cancel := context.WithTimeout(t.Context(), p.within)
	defer cancel()
	produced := make(chan error, 1)
	go func() { produced <- c.produce(ctx) }()

	r := &roll{chaos: c, settings: workers}
	r.start(beforeName)
	r.stop([]string{"NEW", "SENT", "VOIDING", "DONE", "RESERVED"})
	r.refused()
	r.migrate("migrate")
	r.start("failpoints/qfpay-worker")
	r.stop([]string{"NEW", "SENT", "CLOSING", "DONE", "RESERVED"})
	r.migrate("migrate", "--back")
	r.start(beforeName)
	if err := <-produced; err != nil {
		t.Fatal(err)
	}
	eventually(t, "every order has its result", p.within, func() bool { return c.rdb.XLen(ctx, keys.Results()).Val() >= int64(p.orders) })
	r.fleet.stopAll()
	c.gateway.advance(t, c.late+time.Second)
	r.migrate("migrate")
	c.fleet = r.fleet
	found := c.audit().violations()
	t.Logf("%d orders; peak %d of %d a minute, %d of %d a second; %s", p.orders, c.gateway.peak(t, "60s"), rollMinute, c.gateway.peak(t, "1s"), rollSecond, tally(results(t, c.server)))
	c.report(found)
	if n := c.gateway.peak(t, "60s"); n > rollMinute {
		t.Errorf("%d calls in a minute", n)
	}
	if code, out := r.run("audit"); code != 0 {
		t.Errorf("audit: %d: %s", code, out)
	}
}

// roll is the workers of one run.
type roll struct {
	*chaos
	settings []string
	stopped  time.Time
}

// start starts workers of a version, and waits for their first result.
func (r *roll) start(program string) {
	r.t.Helper()
	have := r.results()
	r.fleet = startFleet(r.t, r.workers, r.settings, program, "run")
	eventually(r.t, "a result", patience, func() bool { return r.results() > have })
	if !r.stopped.IsZero() {
		r.t.Logf("%s: the first result %s after the last worker stopped", program, time.Since(r.stopped).Round(100*time.Millisecond))
	}
}

func (r *roll) results() int64 { return r.rdb.XLen(r.t.Context(), keys.Results()).Val() }

// stop stops the workers as soon as there are orders in all these states: one with SIGKILL, so that
// it leaves its leases, the others with SIGTERM.
func (r *roll) stop(states []string) {
	r.t.Helper()
	var have map[string]int
	eventually(r.t, strings.Join(states, ", "), 2*patience, func() bool {
		have = r.journals()
		return !slices.ContainsFunc(states, func(s string) bool { return have[s] == 0 })
	})
	r.fleet.signal(0, syscall.SIGKILL)
	r.fleet.retire(0)
	r.fleet.stop(1)
	r.fleet.slots = nil
	r.stopped = time.Now()
	have = r.journals()
	var line []string
	for _, what := range slices.Sorted(maps.Keys(have)) {
		line = append(line, fmt.Sprintf("%s %d", what, have[what]))
	}
	r.t.Logf("stopped with %s", strings.Join(line, ", "))
}

// journals counts the orders by state, and those that are leased or wait for a slot.
func (r *roll) journals() map[string]int {
	ctx, n := r.t.Context(), map[string]int{}
	for _, key := range r.rdb.Keys(ctx, keys.Order("*")).Val() {
		h := r.rdb.HMGet(ctx, key, "state", "lease_until", "attempts").Val()
		n[fmt.Sprint(h[0])]++
		if h[1] != nil {
			n["leased"]++
		}
		if h[2] == nil && h[0] == "NEW" {
			n["never claimed"]++
		}
	}
	for _, queue := range slices.Concat(r.rdb.Keys(ctx, keys.Calls("*")+":line:*").Val(), r.rdb.Keys(ctx, keys.Calls("*")+":waiting:*").Val()) {
		n["in wait queues"] += int(r.rdb.ZCard(ctx, queue).Val())
	}
	return n
}

// refused checks that this version does not start on the data of the version before.
func (r *roll) refused() {
	r.t.Helper()
	p := start(r.t, r.settings, "qfpay-worker", "run")
	if code := p.wait(r.t); code == 0 || !strings.Contains(p.err.text(), "qfpay-worker migrate") {
		r.t.Errorf("this version starts on the orders of the version before: %d: %s", code, p.err.tail(1000))
	}
	r.t.Logf("refused: %s", p.err.tail(400))
}

// migrate repeats a migration until the killed worker is forgotten. It is refused for nothing else.
func (r *roll) migrate(args ...string) {
	r.t.Helper()
	var began time.Time
	var out string
	eventually(r.t, "the killed worker is forgotten", patience, func() bool {
		began = time.Now()
		code, text := r.run(args...)
		if code != 0 && !strings.Contains(text, "workers run (") {
			r.t.Fatalf("%s: %s", strings.Join(args, " "), text)
		}
		out = text
		return code == 0
	})
	r.t.Logf("%s: %s in %s, %s after the last worker stopped", strings.Join(args, " "), strings.TrimSpace(out),
		time.Since(began).Round(time.Millisecond), time.Since(r.stopped).Round(100*time.Millisecond))
}

func (r *roll) run(args ...string) (int, string) {
	p := launch(r.t, []string{"REDIS_URL=" + r.server.URL}, "qfpay-worker", args...)
	defer p.finish(r.t)
	return p.wait(r.t), p.out.text() + p.err.text()
}

// tally counts results by their outcome.
func tally(all []tasks.Result) string {
	n := map[string]int{}
	for _, r := range all {
		n[r.Outcome]++
		if r.IssuedAs != r.OutTradeNo {
			n["under another number"]++
		}
	}
	return fmt.Sprint(n)
}
