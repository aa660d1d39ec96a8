package worker

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/qfpay-worker/qfpay-worker/internal/redistest"
	"github.com/qfpay-worker/qfpay-worker/qfpay/simulator"
	"github.com/qfpay-worker/qfpay-worker/tasks"
)

// On a cluster of several nodes every script of ours and of asynq's finds its keys
// on one node, also those for orders whose first create goes wrong: which takes
// queries, closes, new numbers and pauses. Each prefix is served, side by side.
func TestRedis_RunsEveryScriptOnACluster(t *testing.T) {
	t.Parallel()
	cluster := redistest.StartCluster(t, 3)
	if cluster.Node(t, "{a}").Addr == cluster.Node(t, "{b}").Addr {
		t.Fatal("one node has both prefixes: this test tests too little")
	}
	for _, prefix := range []string{"{a}", "{b}"} {
		t.Run(prefix, func(t *testing.T) {
			t.Parallel()
			r := newRig(t, simulator.Config{Late: time.Second})
			// The journal, due and the stream are on one node; the tests read them there.
			r.keys = tasks.Keys{Prefix: prefix}
			r.server = cluster.Node(t, r.keys.Due())
			r.rdb = r.server.Client(t)
			r.config.Keys, r.config.Redis, r.config.Queue, r.config.Blocking = r.keys, cluster.Client(t), cluster.Client(t), cluster.Client(t)
			r.faultsInTurn("", "drop_after", "drop", "no_qrcode")
			r.config.Merchants[0].PerSecond, r.config.Merchants[0].PerMinute = 500, 10_000
			const orders = 40
			for i := range orders {
				o := anOrder(fmt.Sprintf("C%04d", i))
				o.Lane = tasks.Lanes()[i%2]
				if i%4 == 0 {
					r.request(requestOf(o)...)
					continue
				}
				_, err := tasks.NewProducer(r.config.Redis, r.keys).Enqueue(t.Context(), o)
				ok(t, err)
			}
			r.run()
			results := r.results(orders)
			r.agree(results)
			r.onceEach(results)
			if log := r.log.String(); strings.Contains(log, "CROSSSLOT") || strings.Contains(log, "level=ERROR") {
				t.Errorf("something failed:\n%s", r.log.tail(20))
			}
			r.takenIn()
			r.everyScriptRan()
		})
	}
}

// faultsInTurn has the very first create meet a 429, and the first of each other
// order the next of the faults.
func (r *rig) faultsInTurn(faults ...simulator.Fault) {
	met := map[string]bool{}
	r.gateway.Choose(func(c simulator.Call) simulator.Fault {
		own, _, _ := strings.Cut(c.OutTradeNo, "_")
		if c.Endpoint != "payment" || met[own] {
			return ""
		}
		if met[own] = true; len(met) == 1 {
			return "http_429"
		}
		return faults[len(met)%len(faults)]
	})
}

// everyScriptRan asks the node whether it has been given every script of the worker.
func (r *rig) everyScriptRan() {
	r.t.Helper()
	const journal, lease, claimable = "internal/journal/lua/", "internal/journal/lua/lease.lua", "internal/journal/lua/claimable.lua"
	scripts := [][]string{{claimable, journal + "claim.lua"}, {claimable, journal + "claim_due.lua"}, {journal + "merchants.lua"}, {"internal/streams/lua/forget.lua"}}
	scripts = append(scripts, []string{lease, journal + "batch.lua", journal + "settling.lua", journal + "settle.lua"})
	for _, name := range []string{"intent", "retract", "close_intent", "reissue", "release"} {
		scripts = append(scripts, []string{lease, journal + name + ".lua"})
	}
	for _, files := range scripts {
		if known := r.rdb.ScriptExists(r.t.Context(), scriptOf(r.t, files...).Hash()).Val(); len(known) != 1 || !known[0] {
			r.t.Errorf("%s was never run here", files)
		}
	}
}
