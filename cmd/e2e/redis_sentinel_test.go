package e2e

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/qfpay-worker/qfpay-worker/internal/redistest"
	"github.com/qfpay-worker/qfpay-worker/tasks"
)

// ward is a master with replicas that it reaches through a proxy, and with Sentinels that watch it
// through the proxy.
type ward struct {
	master    *redistest.Server
	replicas  []*redistest.Server
	proxy     *redistest.Proxy
	sentinels *redistest.Sentinels
	redis     *redistest.Server // as the programs see it
}

func startWard(t *testing.T, replicas int) *ward {
	t.Helper()
	w := &ward{master: redistest.StartTCP(t)}
	w.proxy = redistest.StartProxy(t, "tcp", w.master.Addr)
	for range replicas {
		w.replicas = append(w.replicas, redistest.StartReplica(t, w.proxy.Addr))
	}
	w.sentinels = redistest.StartSentinels(t, 3, w.proxy.Addr, replicas)
	w.redis = at(w.sentinels.URL)
	return w
}

// fail kills the master and waits until a replica has replaced it. It returns how long that took,
// and the new master.
func (w *ward) fail(t *testing.T) (time.Duration, *redis.Client) {
	t.Helper()
	began := time.Now()
	w.master.Kill()
	var promoted *redistest.Server
	eventually(t, "a replica becomes the master", time.Minute, func() bool {
		at := slices.IndexFunc(w.replicas, func(s *redistest.Server) bool {
			return strings.Contains(s.Do(t, "info", "replication"), "role:master")
		})
		if at >= 0 {
			promoted = w.replicas[at]
		}
		return promoted != nil
	})
	return time.Since(began), promoted.Client(t)
}

// lost counts the results that have disappeared from the stream.
func lost(before, after []tasks.Result) int {
	kept := map[string]bool{}
	for _, r := range after {
		kept[r.OutTradeNo+" "+r.QRCode] = true
	}
	n := 0
	for _, r := range before {
		if !kept[r.OutTradeNo+" "+r.QRCode] {
			n++
		}
	}
	return n
}

// TestFailover_ToAReplicaInStepLosesNoOrder kills the master while orders are processed. Its replica
// is only milliseconds behind. With standard durability, a result of these milliseconds may be lost.
// Then its order gets another result, under another order number, and the lost QR code is dead.
func TestFailover_ToAReplicaInStepLosesNoOrder(t *testing.T) {
	t.Parallel()
	w := startWard(t, 1)
	gateway := startGateway(t, "--latency", "50ms-150ms", "--per-minute", "0")
	for range 2 {
		startQuick(t, quick(w.redis, gateway, "QFPAY_PER_SECOND=30"))
	}
	file, orders := sampleFile(t, 150)
	if code, line := enqueue(t, w.redis, file); code != 0 || line != counts(len(orders), 0, 0) {
		t.Fatalf("enqueue: ended with %d, %q", code, line)
	}
	old := w.master.Client(t)
	eventually(t, "a third of the results", time.Minute, func() bool { return published(t, old) >= len(orders)/3 })
	before := results(t, w.redis)

	took, rdb := w.fail(t)
	promoted := time.Now()
	already := published(t, rdb)
	eventually(t, "results come again", time.Minute, func() bool { return published(t, rdb) > already })
	t.Logf("a replica became the master %s after the kill, and results came again %s later",
		took.Round(time.Millisecond), time.Since(promoted).Round(time.Millisecond))
	eventually(t, "every order has its result", 2*time.Minute, func() bool { return published(t, rdb) >= len(orders) })
	after := results(t, w.redis)
	checkBooks(t, orders, after, gateway.orders(t))
	checkNothingDue(t, rdb, tasks.DefaultPrefix)
	t.Logf("of %d results read before the kill, %d are lost", len(before), lost(before, after))
}

// TestFailover_ToAReplicaBehindLosesWhatTheDocsSay: replication has stalled without anybody seeing
// it when the master dies. With standard durability, everything since the stall is lost: accepted
// orders, and results that were read. Nothing is doubled: if the same file is enqueued again, each
// order gets one result, and has one live QR code at the gateway.
func TestFailover_ToAReplicaBehindLosesWhatTheDocsSay(t *testing.T) {
	t.Parallel()
	w := startWard(t, 1)
	gateway := startGateway(t, "--latency", "50ms-150ms", "--per-minute", "0")
	for range 2 {
		startQuick(t, quick(w.redis, gateway, "QFPAY_PER_SECOND=30"))
	}
	file, orders := sampleFile(t, 90)
	w.proxy.StallReplication()
	if code, line := enqueue(t, w.redis, file); code != 0 || line != counts(len(orders), 0, 0) {
		t.Fatalf("enqueue: ended with %d, %q", code, line)
	}
	old := w.master.Client(t)
	eventually(t, "a third of the results", time.Minute, func() bool { return published(t, old) >= len(orders)/3 })
	before := results(t, w.redis)
	took, rdb := w.fail(t)
	known := len(rdb.Keys(t.Context(), "{qfpay}:order:*").Val())
	t.Logf("%s after the kill: of %d orders accepted %d are lost, and of %d results read all",
		took.Round(time.Millisecond), len(orders), len(orders)-known, len(before))
	if known == len(orders) {
		t.Error("no order was lost: this test tests nothing")
	}

	eventually(t, "the file can be enqueued again", time.Minute, func() bool {
		code, _ := enqueue(t, w.redis, file)
		return code == 0
	})
	eventually(t, "every order has its result", 3*time.Minute, func() bool { return published(t, rdb) >= len(orders) })
	after := results(t, w.redis)
	checkBooks(t, orders, after, gateway.orders(t))
	checkNothingDue(t, rdb, tasks.DefaultPrefix)
	t.Logf("enqueued again: every order has one result; %d of those read before have been replaced", lost(before, after))
}

// TestFailover_UnderStrictLosesNothing: the same stall with strict durability. A write counts only
// when a replica has it: enqueue reports this, and no call is sent. Every accepted order gets its
// result without being enqueued again, and confirmed results do not change.
func TestFailover_UnderStrictLosesNothing(t *testing.T) {
	t.Parallel()
	w := startWard(t, 2) // one becomes the master, and the other confirms its writes
	gateway := startGateway(t, "--latency", "50ms-150ms", "--per-minute", "0")
	var workers []*worker
	for range 2 {
		workers = append(workers, startWorker(t, quick(w.redis, gateway, "QFPAY_PER_SECOND=30", "WORKER_DURABILITY=strict")))
	}
	file, orders := sampleFile(t, 150)
	if code, line := enqueue(t, w.redis, "--worker-durability", "strict", file); code != 0 || line != counts(len(orders), 0, 0) {
		t.Fatalf("enqueue: ended with %d, %q", code, line)
	}
	old := w.master.Client(t)
	eventually(t, "a third of the results", time.Minute, func() bool { return published(t, old) >= len(orders)/3 })
	confirmed := results(t, w.redis)
	// The latest of these may still wait for their replica.
	eventually(t, "a replica has them", patience, func() bool { return published(t, w.replicas[0].Client(t)) >= len(confirmed) })
	w.proxy.StallReplication()
	calls := quiet(t, gateway)
	for _, worker := range workers {
		worker.await(t, worker.err, "that no replica confirms", patience, func(log string) bool { return strings.Contains(log, "no replica of Redis has confirmed it") })
	}
	if code, line := enqueue(t, w.redis, "--worker-durability", "strict", file); code != 1 {
		t.Errorf("enqueue without a replica: ended with %d, %q; want 1", code, line)
	}
	if more := len(gateway.calls(t)); more != calls {
		t.Errorf("%d calls were sent that no replica knows of", more-calls)
	}

	took, rdb := w.fail(t)
	known := len(rdb.Keys(t.Context(), "{qfpay}:order:*").Val())
	if known != len(orders) {
		t.Errorf("%d orders of %d are lost", len(orders)-known, len(orders))
	}
	eventually(t, "every order has its result", 3*time.Minute, func() bool { return published(t, rdb) >= len(orders) })
	after := results(t, w.redis)
	checkBooks(t, orders, after, gateway.orders(t))
	checkNothingDue(t, rdb, tasks.DefaultPrefix)
	if n := lost(confirmed, after); n != 0 {
		t.Errorf("%d confirmed results of %d are lost", n, len(confirmed))
	}
	t.Logf("%s to the new master; nothing of %d orders and %d confirmed results is lost; under the number of a reissue: %d",
		took.Round(time.Millisecond), len(orders), len(confirmed), reissued(after))
}

// quiet waits until the gateway has had no call for 3 s, which is longer than a call and a
// confirmation take, and returns the number of calls.
func quiet(t *testing.T, g *gateway) int {
	t.Helper()
	calls, since := 0, time.Now()
	eventually(t, "no further call leaves", patience, func() bool {
		if n := len(g.calls(t)); n != calls {
			calls, since = n, time.Now()
		}
		return time.Since(since) > 3*time.Second
	})
	return calls
}

// reissued counts the orders with another order number than their original one.
func reissued(all []tasks.Result) int {
	numbers := map[string]string{}
	for _, r := range all {
		if r.IssuedAs != r.OutTradeNo {
			numbers[r.OutTradeNo] = r.IssuedAs
		}
	}
	return len(numbers)
}
