package e2e

import (
	"context"
	"net/http"
	"net/url"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/qfpay-worker/qfpay-worker/internal/redistest"
	"github.com/qfpay-worker/qfpay-worker/tasks"
)

// TestChaos_EveryOrderHasOneTrueResult kills workers, makes calls fail, doubles deliveries and
// loses wake-ups, all at random and at the same time. Then it checks that every order has one
// result, and that the result is true. See docs/chaos.md for the long runs. While it kills it runs
// alone, because beside other tests a worker would not have enough time between two kills. Then it
// waits for leases and retries, beside the others.
func TestChaos_EveryOrderHasOneTrueResult(t *testing.T) {
	c := startChaos(t, given)
	c.calmed = t.Parallel
	c.rage()
	c.settleDown()
	found := c.audit().violations()
	t.Logf("\n%s", c.figures(found))
	c.report(found)
}

// chaos is one run of a plan.
type chaos struct {
	plan
	t       *testing.T
	server  *redistest.Server
	rdb     *redis.Client
	gateway *gateway
	fleet   *fleet
	levers  *levers // nil: nobody pulls any
	calmed  func()  // called when kills and faults have ended
	orders  []tasks.Order
	kills   int
	freezes int
	began   time.Time
	took    time.Duration // until the last result
}

// newChaos starts everything for a run except its workers.
func newChaos(t *testing.T, p plan, gatewayArgs []string) *chaos {
	t.Helper()
	if err := buildFailpoints(); err != nil {
		t.Fatal(err)
	}
	server := redistest.Start(t, "--appendonly", "yes", "--appendfsync", "everysec")
	return &chaos{plan: p, t: t, server: server, rdb: server.Client(t), gateway: startGateway(t, gatewayArgs...), calmed: func() {}, began: time.Now()}
}

// settings are those of the workers.
func (c *chaos) settings() []string {
	return settings(c.server, c.gateway, rightKey, c.workerSettings()...)
}

func startChaos(t *testing.T, p plan) *chaos {
	t.Helper()
	c := newChaos(t, p, p.gatewayArgs())
	c.orders = p.sample()
	if p.naive {
		c.fleet = startFleet(t, p.workers, c.settings(), naiveProgram(t))
	} else {
		c.fleet = startFleet(t, p.workers, append(c.settings(), c.apiSettings()...), "failpoints/qfpay-worker", "run")
	}
	return c
}

// look is how often the progress of a run is checked.
const look = 100 * time.Millisecond

// rage enqueues the orders and attacks the workers until every order has its result or the time
// is up. In that case the audit reports what is missing.
func (c *chaos) rage() {
	ctx, cancel := context.WithTimeout(c.t.Context(), c.within)
	defer cancel()
	produced := make(chan error, 1)
	go func() { produced <- c.produce(ctx) }()
	c.levers = c.drawLevers()
	attack := c.attacks()
	defer attack.stop()
	looking := time.NewTicker(look)
	defer looking.Stop()
	var calm <-chan time.Time
	have, since, producing := int64(0), time.Now(), true
	for producing || c.levers.next != nil || !c.over(have, since) {
		select {
		case <-attack.next:
			attack.strike()
		case <-attack.thaw:
			attack.resume()
		case <-c.levers.next:
			c.levers.pull(ctx)
		case err := <-produced:
			if err != nil {
				c.t.Fatalf("the producer: %v", err)
			}
			producing = false
			if c.calm > 0 {
				calm = time.After(c.calm)
			}
		case <-calm:
			attack.stop()
			if !c.naive {
				c.gateway.post(c.t, "faults", nil)
			}
			c.calmed()
		case <-looking.C:
			if n := c.rdb.XLen(ctx, keys.Results()).Val(); n > have {
				have, since = n, time.Now()
				c.took = since.Sub(c.began)
			}
		case <-ctx.Done():
			if producing {
				<-produced
			}
			return
		}
	}
}

// over reports whether a run with this many results, the last of them at since, is over.
func (c *chaos) over(have int64, since time.Time) bool {
	if c.naive {
		return time.Since(since) > c.still
	}
	missing := int64(c.plan.orders) - have
	return missing <= 0 || missing <= int64(len(c.levers.moved())) && missing <= int64(len(c.unended()))
}

// keys are the keys with the default prefix.
var keys = tasks.Keys{Prefix: tasks.DefaultPrefix}

// settleDown ends the workers when the queues are empty, and lets the gateway process its late
// calls, so that every possible double order exists before the audit.
func (c *chaos) settleDown() {
	c.t.Helper()
	if !c.naive {
		if c.levers != nil {
			c.levers.released()
			c.closed()
		}
		if c.drain {
			c.drained()
		}
		c.fleet.stopAll()
	}
	c.gateway.advance(c.t, c.late+time.Second)
}

// advance moves the gateway's clock forward.
func (g *gateway) advance(t *testing.T, by time.Duration) {
	t.Helper()
	g.post(t, "advance", url.Values{"by": {by.String()}})
}

// post changes something at the gateway.
func (g *gateway) post(t *testing.T, what string, form url.Values) {
	t.Helper()
	answer, err := web.PostForm(g.url+"/_simulator/"+what, form)
	if err != nil {
		t.Fatal(err)
	}
	answer.Body.Close()
	if answer.StatusCode != http.StatusNoContent {
		t.Fatalf("the simulator answers %s to %s", answer.Status, what)
	}
}
