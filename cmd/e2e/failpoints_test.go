package e2e

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/hibiken/asynq"

	"github.com/qfpay-worker/qfpay-worker/qfpay"
	"github.com/qfpay-worker/qfpay-worker/tasks"
)

var failpointDeaths = flag.Int("failpoints.deaths", 1, "how often a worker dies at each failpoint")

// failpoints are the failpoints of the worker. Each is between two steps of an order, and a
// process that is killed there has certainly not done the second step.
var failpoints = []string{
	"claimed",        // the order is in flight, and nothing was done
	"intended",       // the create is recorded, and not sent
	"answered",       // the answer is there, and not recorded
	"settled",        // the result is published, and the asynq task not yet done
	"released",       // the order is deferred, and the asynq task not yet done
	"retracted",      // the create is retracted
	"close_intended", // the close is recorded, and not sent
	"closed",         // the answer to the close is there
	"reissued",       // the order number of the reissue is chosen, and not sent
	"adopted",        // an order of a plain task has its journal, and was not claimed
	"dispatched",     // the dispatcher has taken the order, and its attempt has not begun
}

// TestFailpoint_LosesNothing kills a worker at each failpoint, while others work, as often as
// the flag says. Then orders, results and ledger must agree.
func TestFailpoint_LosesNothing(t *testing.T) {
	t.Parallel()
	c := failpointChaos(t, len(failpoints), // with these faults, orders reach all failpoints
		"--fault=payment.drop_after=0.3", "--fault=payment.http_429=0.1", "--fault=payment.drop=0.05")
	d := &deaths{chaos: c, luck: rand.New(rand.NewPCG(c.seed, 3)), at: make([]int, len(failpoints))}
	for slot := range failpoints {
		d.start(slot)
	}
	d.untilAllHaveDied()

	for slot, p := range c.fleet.slots {
		if p == nil {
			c.fleet.start(slot)
		}
	}
	c.gateway.post(t, "faults", nil)
	c.all(3 * time.Minute) // asynq repeats a plain task whose worker died before it had a journal
	t.Logf("%d workers killed at each of %d failpoints, in %.0fs", *failpointDeaths, len(failpoints), time.Since(c.began).Seconds())
	c.close()
}

// buildFailpoints builds, once, the worker with failpoints. Without a failpoint it is the worker, but that a
// minute in the life of a QR code can be set for it.
var buildFailpoints = sync.OnceValue(func() error {
	dir := filepath.Join(bin, "failpoints")
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	return build(dir, "failpoints", "../qfpay-worker")
})

// failpointChaos starts everything for a run except its workers: n slots for workers of the
// build with failpoints.
func failpointChaos(t *testing.T, n int, gatewayArgs ...string) *chaos {
	t.Helper()
	p := calmPlan(0, "10ms-100ms")
	c := newChaos(t, p, append(p.gatewayArgs(), gatewayArgs...))
	c.fleet = startFleet(t, 0, c.settings(), "failpoints/qfpay-worker", "run")
	c.fleet.slots = make([]*process, n)
	return c
}

// deaths counts the deaths at each failpoint.
type deaths struct {
	chaos *chaos
	luck  *rand.Rand
	at    []int // by failpoint
	spare bool  // one worker without a failpoint is running
}

// start starts the worker of a failpoint, which dies there, at the first, second or third
// passage. After enough deaths there, the slot stays empty, so that more orders reach the
// rarer failpoints.
func (d *deaths) start(slot int) {
	switch {
	case d.at[slot] < *failpointDeaths:
		d.chaos.fleet.start(slot, fmt.Sprintf("QFPAY_KILL_AT=%s:%d", failpoints[slot], 1+d.at[slot]%3))
	case !d.spare:
		d.spare = true
		d.chaos.fleet.start(slot)
	}
}

// untilAllHaveDied enqueues orders until every worker has died often enough.
func (d *deaths) untilAllHaveDied() {
	t := d.chaos.t
	tick := time.NewTicker(25 * time.Millisecond)
	defer tick.Stop()
	stuck := time.NewTimer(maxStandstill)
	defer stuck.Stop()
	for missing := len(failpoints); missing > 0; {
		select {
		case <-tick.C:
		case <-stuck.C:
			t.Fatalf("no worker has died for %s; at %v: %v", maxStandstill, failpoints, d.at)
		}
		// Behind a long backlog, the orders that pass the rarer failpoints would come late.
		if len(d.chaos.orders)-int(d.chaos.results()) < maxWaiting {
			d.enqueue()
		}
		for slot, p := range d.chaos.fleet.slots {
			if p == nil || !p.over() {
				continue
			}
			d.checkDeath(slot, p)
			d.chaos.fleet.retire(slot)
			stuck.Reset(maxStandstill)
			if d.at[slot]++; d.at[slot] == *failpointDeaths {
				missing--
			}
			if missing == 1 && d.enough("retracted") {
				// HTTP 429 is needed no more. It would make the few workers that are left pause for half a minute, again and
				// again, so that hardly an order passes the failpoint that is left.
				d.chaos.gateway.post(t, "faults", url.Values{"fault": {"payment.drop_after=0.3", "payment.drop=0.05"}})
			}
			d.start(slot)
		}
	}
}

const (
	maxWaiting = 200 // orders without a result

	// maxStandstill is the longest pause from one death to the next: all orders that wait may be plain
	// tasks whose workers died, and asynq recovers those within two minutes, a lease and two rounds.
	maxStandstill = 3 * time.Minute
)

// plainWanted reports whether the failpoint of plain tasks needs more deaths. If a worker dies
// before a plain task has a journal, asynq needs a minute or more to recover the task. So there
// should be as few of them as possible.
func (d *deaths) plainWanted() bool { return !d.enough("adopted") }

// enough reports whether enough workers have died at a failpoint.
func (d *deaths) enough(failpoint string) bool {
	return d.at[slices.Index(failpoints, failpoint)] >= *failpointDeaths
}

// over reports whether the process has ended.
func (p *process) over() bool {
	select {
	case <-p.ended:
		return true
	default:
		return false
	}
}

// checkDeath fails the test unless a worker was killed by the signal that it sends itself.
func (d *deaths) checkDeath(slot int, p *process) {
	status, ok := p.cmd.ProcessState.Sys().(syscall.WaitStatus)
	if !ok || !status.Signaled() || status.Signal() != syscall.SIGKILL || !strings.Contains(p.err.text(), "killed at "+failpoints[slot]) {
		d.chaos.t.Fatalf("a worker ended by %s and not at the failpoint %s\n%s", p.cmd.ProcessState, failpoints[slot], p.err.tail(4000))
	}
}

// enqueue enqueues one more order: sometimes without a wake-up task, and sometimes only as a
// plain task.
func (d *deaths) enqueue() {
	c := d.chaos
	c.t.Helper()
	n, types := len(c.orders), qfpay.PayTypes()
	o := tasks.Order{Order: qfpay.Order{OutTradeNo: fmt.Sprintf("P-%06d", n), PayType: types[n%len(types)],
		TxAmt: int64(300 + n), TxCurrCd: "HKD"}}.WithDefaults(time.Now())
	producer := tasks.NewProducer(c.rdb, keys)
	var err error
	switch luck := d.luck.Float64(); {
	case luck < 0.1:
		_, err = producer.Accept(c.t.Context(), o)
	case luck < 0.2 && d.plainWanted():
		var task *asynq.Task
		if task, err = naiveTask(o); err == nil {
			_, err = asynq.NewClientFromRedisClient(c.rdb).EnqueueContext(c.t.Context(), task, asynq.Queue(keys.Queue(o.Lane)), asynq.MaxRetry(1000))
		}
	default:
		_, err = producer.Enqueue(c.t.Context(), o)
	}
	if err != nil {
		c.t.Fatal(err)
	}
	c.orders = append(c.orders, o)
	c.plan.orders = len(c.orders)
}
