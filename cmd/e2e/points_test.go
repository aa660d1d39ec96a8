package e2e

import (
	"flag"
	"fmt"
	"math/rand/v2"
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

var pointDeaths = flag.Int("points.deaths", 1, "how often a worker dies at each point")

// points are the places of worker/failpoint.go at which a process can be killed: each
// between two steps of which the second must not be taken for done, nor for undone.
var points = []string{
	"claimed",        // the order is in hand, and nothing was done
	"intended",       // the create is written down, and has not left
	"answered",       // the answer is there, and not written down
	"settled",        // the result is published, and asynq does not know
	"released",       // the order is put down, and asynq does not know
	"retracted",      // the create is taken back
	"close_intended", // the close is written down, and has not left
	"closed",         // the answer to the close is there
	"reissued",       // the next number is taken, and not sent
	"adopted",        // an order of a plain task has its journal, and was not claimed
	"swept",          // an order that is due was handed out, and nobody was woken
}

// TestFailpoint_LosesNothing has a worker die at each point in turn, while
// others work, until it was killed there as often as asked. Then the books must
// agree.
func TestFailpoint_LosesNothing(t *testing.T) {
	t.Parallel()
	c := pointsChaos(t, len(points), // the faults lead orders past all points
		"--fault=payment.drop_after=0.3", "--fault=payment.http_429=0.1", "--fault=payment.drop=0.05")
	d := &deaths{chaos: c, luck: rand.New(rand.NewPCG(c.seed, 3)), at: make([]int, len(points))}
	for slot := range points {
		d.start(slot)
	}
	d.untilAllHaveDied()

	for slot, p := range c.fleet.slots {
		if p == nil {
			c.fleet.start(slot)
		}
	}
	c.gateway.post(t, "faults", nil)
	c.all(3 * time.Minute) // a plain task that died before it had a journal is asynq's to repeat
	t.Logf("%d workers killed at each of %d points, in %.0fs", *pointDeaths, len(points), time.Since(c.began).Seconds())
	c.close()
}

// buildPoints builds, once, the worker that has the points.
var buildPoints = sync.OnceValue(func() error {
	dir := filepath.Join(bin, "points")
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	return build(dir, "killpoints", "../qfpay-worker")
})

// pointsChaos starts all that a run needs but its workers, which are of the build that
// has the points: n places for them.
func pointsChaos(t *testing.T, n int, gatewayArgs ...string) *chaos {
	t.Helper()
	if err := buildPoints(); err != nil {
		t.Fatal(err)
	}
	p := calmPlan(0, "10ms-100ms")
	c := newChaos(t, p, append(p.gatewayArgs(), gatewayArgs...))
	c.fleet = startFleet(t, 0, c.settings(), "points/qfpay-worker", "run")
	c.fleet.slots = make([]*process, n)
	return c
}

// deaths counts who has died where.
type deaths struct {
	chaos *chaos
	luck  *rand.Rand
	at    []int // by point
	spare bool  // one worker of those that are done dying goes on
}

// start starts the worker of a point, which dies there. Not always the first passage
// is its last: the second and the third are others. When enough have died there, the
// place stays empty, so that more orders reach the points that are seldom passed.
func (d *deaths) start(slot int) {
	switch {
	case d.at[slot] < *pointDeaths:
		d.chaos.fleet.start(slot, fmt.Sprintf("QFPAY_KILL_AT=%s:%d", points[slot], 1+d.at[slot]%3))
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
	stuck := time.NewTimer(mostPatience)
	defer stuck.Stop()
	for missing := len(points); missing > 0; {
		select {
		case <-tick.C:
		case <-stuck.C:
			t.Fatalf("no worker has died for %s; of %v: %v", mostPatience, points, d.at)
		}
		// Behind a long backlog, the orders that pass the rarer points would come late.
		if len(d.chaos.orders)-int(d.chaos.results()) < mostWaiting {
			d.enqueue()
		}
		for slot, p := range d.chaos.fleet.slots {
			if p == nil || !p.over() {
				continue
			}
			d.checkDeath(slot, p)
			d.chaos.fleet.retire(slot)
			stuck.Reset(mostPatience)
			if d.at[slot]++; d.at[slot] == *pointDeaths {
				missing--
			}
			d.start(slot)
		}
	}
}

const (
	mostWaiting  = 200         // orders without a result
	mostPatience = time.Minute // from one death to the next
)

// plainWanted tells whether the point of plain tasks has not had its deaths. One that
// dies with its worker before it has a journal is asynq's to bring back, in a minute
// or more: there should be no more of them than it takes.
func (d *deaths) plainWanted() bool { return d.at[slices.Index(points, "adopted")] < *pointDeaths }

// over tells whether the process has ended.
func (p *process) over() bool {
	select {
	case <-p.ended:
		return true
	default:
		return false
	}
}

// checkDeath fails the test when a worker has ended otherwise than by the signal it
// sends itself.
func (d *deaths) checkDeath(slot int, p *process) {
	status, ok := p.cmd.ProcessState.Sys().(syscall.WaitStatus)
	if !ok || !status.Signaled() || status.Signal() != syscall.SIGKILL || !strings.Contains(p.err.text(), "killed at "+points[slot]) {
		d.chaos.t.Fatalf("a worker ended by %s and not at the point %s\n%s", p.cmd.ProcessState, points[slot], p.err.tail(4000))
	}
}

// enqueue puts one more order on its way: now and then without a wake-up, or with
// nothing but one.
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
