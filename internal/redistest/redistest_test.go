package redistest

import (
	"errors"
	"strings"
	"testing"

	"github.com/redis/go-redis/v9"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m, Dialing) }

func TestReplica_AReplicaFollowsItsMasterUntilReplicationStalls(t *testing.T) {
	t.Parallel()
	master := StartTCP(t)
	proxy := StartProxy(t, "unix", master.Socket)
	replica := StartReplica(t, proxy.Addr)
	rdb := master.Client(t)
	set := func(value string) int64 {
		conn := rdb.Conn()
		defer conn.Close()
		if err := conn.Set(t.Context(), "k", value, 0).Err(); err != nil {
			t.Fatal(err)
		}
		n, err := conn.Do(t.Context(), "wait", 1, 200).Int64()
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
	if n := set("1"); n != 1 {
		t.Errorf("%d replicas have the write, want 1", n)
	}
	proxy.StallReplication()
	if n := set("2"); n != 0 {
		t.Errorf("%d replicas have the write though replication is stalled", n)
	}
	if got := replica.Client(t).Get(t.Context(), "k").Val(); got != "1" {
		t.Errorf("the replica has %q", got)
	}
}

func TestSentinels_TheReplicaIsPromoted(t *testing.T) {
	t.Parallel()
	master := StartTCP(t)
	replica := StartReplica(t, master.Addr)
	sentinels := StartSentinels(t, 3, master.Addr, 1)
	if got := sentinels.Master(t); got != master.Addr {
		t.Errorf("the master is %s, want %s", got, master.Addr)
	}
	master.Kill()
	await(t, "the replica is the master", func() bool {
		return strings.Contains(replica.Do(t, "info", "replication"), "role:master")
	})
}

func TestCluster_EverySlotIsServed(t *testing.T) {
	t.Parallel()
	c := StartCluster(t, 3)
	rdb := c.Client(t)
	served := map[string]bool{}
	for _, key := range []string{"a", "b", "c", "d", "e", "f"} {
		if err := rdb.Set(t.Context(), key, 1, 0).Err(); err != nil {
			t.Error(err)
		}
		served[c.Node(t, key).Addr] = true
	}
	if len(served) != 3 {
		t.Errorf("%d nodes serve these keys, want 3", len(served))
	}
}

func TestProxy_AConnectionIsCutAndMended(t *testing.T) {
	t.Parallel()
	s := Start(t)
	proxy := StartProxy(t, "unix", s.Socket)
	rdb := redis.NewClient(&redis.Options{Addr: proxy.Addr, MaxRetries: -1})
	defer rdb.Close()
	ping := func() error { return rdb.Ping(t.Context()).Err() }
	if err := ping(); err != nil {
		t.Fatal(err)
	}
	proxy.Cut()
	var answer redis.Error
	if err := ping(); err == nil || errors.As(err, &answer) {
		t.Errorf("cut: %v, want no answer", err)
	}
	proxy.Mend()
	if err := ping(); err != nil {
		t.Errorf("mended: %v", err)
	}
}

func TestServer_AKilledServerIsBootedAgainOnItsPort(t *testing.T) {
	t.Parallel()
	s := StartTCP(t)
	s.Kill()
	s.Boot(t)
	rdb := redis.NewClient(&redis.Options{Addr: s.Addr})
	defer rdb.Close()
	if err := rdb.Ping(t.Context()).Err(); err != nil {
		t.Error(err)
	}
}
