package tasks

import (
	"errors"
	"strings"
	"testing"

	"github.com/redis/go-redis/v9"

	"github.com/qfpay-worker/qfpay-worker/internal/redistest"
)

func TestDurability_StrictAcceptsAnOrderThatAReplicaHas(t *testing.T) {
	t.Parallel()
	primary := redistest.StartTCP(t)
	replica := redistest.StartReplica(t, primary.Addr).Client(t)
	p := NewProducer(primary.Client(t), keys).WithDurability(Strict)
	for _, want := range []AcceptStatus{Enqueued, Duplicate} {
		if got, err := p.Enqueue(t.Context(), validOrder()); got.Status != want || err != nil {
			t.Fatalf("%+v, %v; want %s", got, err, want)
		}
		if replica.HGet(t.Context(), keys.Order("default:A1001"), "state").Val() != "NEW" {
			t.Fatal("accepted, but the replica does not have it")
		}
	}
}

func TestDurability_StrictWithoutAReplicaFailsAndTheCallMayBeRepeated(t *testing.T) {
	t.Parallel()
	primary := redistest.StartTCP(t)
	p := NewProducer(primary.Client(t), keys).WithDurability(Strict)
	got, err := p.Enqueue(t.Context(), validOrder())
	if got.Status != "" || !errors.Is(err, ErrUnconfirmed) || !strings.Contains(err.Error(), "enqueue it again") {
		t.Fatalf("%+v, %v", got, err)
	}
	results, err := p.EnqueueAll(t.Context(), []Order{numbered("B1"), numbered("B2")})
	if !errors.Is(err, ErrUnconfirmed) || !errors.Is(results[0].Err, ErrUnconfirmed) || !errors.Is(results[1].Err, ErrUnconfirmed) {
		t.Fatalf("%+v, %v", results, err)
	}
	if results[0].ID != "default:B1" {
		t.Errorf("the result does not have the ID of its order: %+v", results[0])
	}
	redistest.StartReplica(t, primary.Addr)
	if got, err := p.Enqueue(t.Context(), validOrder()); got.Status != Duplicate || err != nil {
		t.Errorf("with a replica: %+v, %v", got, err)
	}
}

// A connected replica that falls behind confirms nothing, and neither does it to a second
// call on another connection, for which everything is written already.
func TestDurability_StrictIsNotDeceivedByAReplicaThatIsBehind(t *testing.T) {
	t.Parallel()
	primary := redistest.StartTCP(t)
	proxy := redistest.StartProxy(t, "tcp", primary.Addr)
	redistest.StartReplica(t, proxy.Addr)
	if _, err := NewProducer(primary.Client(t), keys).WithDurability(Strict).Enqueue(t.Context(), validOrder()); err != nil {
		t.Fatal(err)
	}
	proxy.StallReplication()
	for range 2 {
		_, err := NewProducer(primary.Client(t), keys).WithDurability(Strict).Enqueue(t.Context(), numbered("A2"))
		if !errors.Is(err, ErrUnconfirmed) {
			t.Errorf("error %v", err)
		}
	}
}

// WAIT has no key. It must go to the node that has the order.
func TestDurability_TheNodeOfTheShardConfirmsOnACluster(t *testing.T) {
	t.Parallel()
	cluster := redistest.StartCluster(t, 2)
	safe, bare := shardOn(t, cluster, 0), shardOn(t, cluster, 1)
	redistest.StartReplica(t, cluster.Nodes[0].Addr)
	rdb := cluster.Client(t)
	for range 5 { // a random node would sometimes be the right one
		if _, err := NewProducer(rdb, safe).WithDurability(Strict).Enqueue(t.Context(), validOrder()); err != nil {
			t.Errorf("on the node with a replica: %v", err)
		}
	}
	if _, err := NewProducer(rdb, bare).WithDurability(Strict).Enqueue(t.Context(), validOrder()); !errors.Is(err, ErrUnconfirmed) {
		t.Errorf("on the node without: %v", err)
	}
}

// shardOn finds a prefix whose keys are on the node.
func shardOn(t *testing.T, c *redistest.Cluster, node int) Keys {
	t.Helper()
	for _, prefix := range []string{"{a}", "{b}", "{c}", "{d}", "{e}", "{f}", "{g}", "{h}"} {
		if k := (Keys{Prefix: prefix}); c.Node(t, k.Due()) == c.Nodes[node] {
			return k
		}
	}
	t.Fatal("no prefix is on the node")
	return Keys{}
}

func TestDurability_StandardWaitsForNoReplica(t *testing.T) {
	t.Parallel()
	rdb := redistest.Start(t).Client(t)
	for _, d := range []Durability{"", Standard} {
		err := d.Write(t.Context(), rdb, keys, func(pipe redis.Pipeliner) { pipe.Set(t.Context(), "a", 1, 0) })
		if err != nil || rdb.Exists(t.Context(), keys.confirm()).Val() != 0 {
			t.Errorf("%q: %v", d, err)
		}
	}
}

// If no node can be found, every command has that error.
func TestDurability_EveryCommandFailsWithoutANode(t *testing.T) {
	t.Parallel()
	rdb := redis.NewClusterClient(&redis.ClusterOptions{Addrs: []string{"127.0.0.1:1"}, MaxRedirects: -1})
	defer rdb.Close()
	_, err := NewProducer(rdb, keys).WithDurability(Strict).Enqueue(t.Context(), validOrder())
	if err == nil || !strings.Contains(err.Error(), "not accepted") {
		t.Errorf("error %v", err)
	}
}
