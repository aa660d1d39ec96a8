package worker

import (
	"errors"
	"testing"
	"time"

	"github.com/qfpay-worker/qfpay-worker/internal/redistest"
	"github.com/qfpay-worker/qfpay-worker/qfpay/simulator"
	"github.com/qfpay-worker/qfpay-worker/tasks"
	"github.com/qfpay-worker/qfpay-worker/worker/event"
	"github.com/qfpay-worker/qfpay-worker/worker/internal/journal"
	"github.com/qfpay-worker/qfpay-worker/worker/internal/policy"
	"github.com/qfpay-worker/qfpay-worker/worker/internal/redisscript"
)

// strictJournalFixture is a journalFixture whose steps a replica confirms, or has not confirmed since stall.
func strictJournalFixture(t *testing.T) (f *journalFixture, stall func()) {
	primary := redistest.StartTCP(t)
	proxy := redistest.StartProxy(t, "tcp", primary.Addr)
	redistest.StartReplica(t, proxy.Addr)
	f = &journalFixture{t: t, id: "default:A1", Journal: &journal.Journal{Redis: primary.Client(t), Scripts: redisscript.NewPipelinedClient(primary.Client(t)), Keys: tasks.Keys{Prefix: tasks.DefaultPrefix},
		Times: calmTimes(), Durability: tasks.Strict}}
	_, err := tasks.NewProducer(f.Redis, f.Keys).Accept(t.Context(), anOrder("A1").WithDefaults(time.Now()))
	ok(t, err)
	return f, proxy.StallReplication
}

func unconfirmed(t *testing.T, err error) {
	t.Helper()
	if !errors.Is(err, tasks.ErrUnconfirmed) {
		t.Fatalf("error %v, want %v", err, tasks.ErrUnconfirmed)
	}
}

func TestDurability_LetsAConfirmedOrderGoItsWay(t *testing.T) {
	t.Parallel()
	f, _ := strictJournalFixture(t)
	c := f.take("a")
	ok(t, f.Intent(t.Context(), c))
	ok(t, f.CloseIntent(t.Context(), c))
	f.want("CLOSING", "1", "0")
	published, err := f.Settle(t.Context(), c, outcome(tasks.Unresolved))
	if err != nil || !published {
		t.Errorf("published %t, %v", published, err)
	}
	f.lapse()
	lost(t, f.Intent(t.Context(), c))
}

// A create whose intent is not confirmed does not leave, so it is taken back: else
// every order would have to be queried when the replica is away.
func TestDurability_TakesAnUnconfirmedIntentBack(t *testing.T) {
	t.Parallel()
	f, stall := strictJournalFixture(t)
	c := f.take("a")
	stall()
	unconfirmed(t, f.Intent(t.Context(), c))
	f.want("NEW", "0", "0")
	if c.State != policy.StateNew || c.CreatesSent != 0 {
		t.Errorf("the claim says %+v", c)
	}
}

// A second create cannot be taken back without a query.
func TestDurability_KeepsAnUnconfirmedSecondIntent(t *testing.T) {
	t.Parallel()
	f, stall := strictJournalFixture(t)
	c := f.take("a")
	ok(t, f.Intent(t.Context(), c))
	stall()
	unconfirmed(t, f.Intent(t.Context(), c))
	f.want("SENT", "2", "0")
	unconfirmed(t, f.CloseIntent(t.Context(), c))
	published, err := f.Settle(t.Context(), c, outcome(tasks.Unresolved))
	if unconfirmed(t, err); !published {
		t.Error("it is in the stream, and is said not to be")
	}
	_, err = f.Settle(t.Context(), c, outcome(tasks.Unresolved)) // on whatever connection
	if unconfirmed(t, err); f.published() != 1 {
		t.Errorf("%d entries", f.published())
	}
}

func TestDurability_NeedsALeaseThatOutlastsTheConfirmation(t *testing.T) {
	t.Parallel()
	f, _ := strictJournalFixture(t)
	c := f.take("a")
	soon := time.Now().Add(f.Times.Call + tasks.ConfirmWithin/2).UnixMilli()
	ok(t, f.Redis.HSet(t.Context(), f.Keys.Order(f.id), "lease_until", soon).Err())
	lost(t, f.Intent(t.Context(), c))
}

// strict is a rig whose Redis can have replicas.
func strictRig(t *testing.T) (*rig, *redistest.Server) {
	r := newRig(t, simulator.Config{})
	r.server = redistest.StartTCP(t)
	r.rdb = r.server.Client(t)
	r.config.Redis, r.config.Durability = r.rdb, tasks.Strict
	r.times = quickTimes()
	return r, r.server
}

// Without a replica no call leaves and nothing is lost; with one, all go their way.
func TestDurability_WaitsForAReplicaWhenStrict(t *testing.T) {
	t.Parallel()
	r, primary := strictRig(t)
	r.start()
	r.enqueue(5, nil)
	for end := time.Now().Add(time.Minute); len(seen[event.RedisFailed](r.events)) < 5; time.Sleep(10 * time.Millisecond) { // until workers have tried
		if time.Now().After(end) {
			t.Fatalf("nobody has tried\n%s", r.log.tail(20))
		}
	}
	if n := len(r.gateway.Calls()); n != 0 {
		t.Errorf("%d calls left though no replica had confirmed them", n)
	}
	replica := redistest.StartReplica(t, primary.Addr).Client(t)
	results := r.results(5)
	r.agree(results)
	for no, res := range results {
		if res.Outcome != string(tasks.Created) || res.IssuedAs != no {
			t.Errorf("%s: %+v", no, res)
		}
	}
	if n := replica.XLen(t.Context(), r.keys.Results()).Val(); n != 5 {
		t.Errorf("the replica has %d results", n)
	}
}

// A result that is published and not confirmed is published, and said to be at risk.
func TestDurability_RepeatsAnUnconfirmedResultAndKeepsIt(t *testing.T) {
	t.Parallel()
	r, primary := strictRig(t)
	proxy := redistest.StartProxy(t, "tcp", primary.Addr)
	redistest.StartReplica(t, proxy.Addr)
	r.gateway.Choose(func(simulator.Call) simulator.Fault {
		proxy.StallReplication() // between the intent and the result
		return ""
	})
	r.start()
	r.enqueue(1, nil)
	r.agree(r.results(1))
	for end := time.Now().Add(time.Minute); ; time.Sleep(10 * time.Millisecond) { // until it is seen
		waits := 0
		for _, e := range seen[event.RedisFailed](r.events) {
			if e.Op == "wait" {
				waits++
			}
		}
		if waits > 1 {
			break
		}
		if time.Now().After(end) {
			t.Fatalf("observed %+v", seen[event.RedisFailed](r.events))
		}
	}
	redistest.StartReplica(t, primary.Addr) // it is confirmed after all
	for end := time.Now().Add(time.Minute); len(seen[event.Settled](r.events)) == 0; time.Sleep(10 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("not settled")
		}
	}
	if n := r.rdb.XLen(t.Context(), r.keys.Results()).Val(); n != 1 {
		t.Errorf("%d entries", n)
	}
}
