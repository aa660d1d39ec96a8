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

// ward is a master with replicas, which it reaches through a proxy, and Sentinels
// that watch it there.
type ward struct {
	master    *redistest.Server
	replicas  []*redistest.Server
	proxy     *redistest.Proxy
	sentinels *redistest.Sentinels
	redis     *redistest.Server // as the programs know it
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

// fail kills the master and waits until a replica has been put in its place. It
// returns how long that took, and the new master.
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

// lost counts the results that were in the stream and are there no longer.
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

// TestFailover_ToAReplicaInStepLosesNoOrder kills the master in the middle of the work,
// its replica in step but for the last milliseconds. Under standard an entry of these
// may be lost: its order gets another one then, under another number, and the QR code of
// the lost one is dead.
func TestFailover_ToAReplicaInStepLosesNoOrder(t *testing.T) {
	t.Parallel()
	w := startWard(t, 1)
	gateway := startGateway(t, "--latency", "50ms-150ms", "--per-minute", "0")
	for range 2 {
		startWorker(t, quick(w.redis, gateway, "QFPAY_PER_SECOND=30"))
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

// TestFailover_ToAReplicaBehindLosesWhatTheDocsSay: replication has stalled, unseen,
// when the master dies. Under standard all since the stall is lost: orders that were
// accepted, and results that were read. Nothing is doubled: whoever enqueues the same
// file again gets one result for each order, and one live QR code at the gateway.
func TestFailover_ToAReplicaBehindLosesWhatTheDocsSay(t *testing.T) {
	t.Parallel()
	w := startWard(t, 1)
	gateway := startGateway(t, "--latency", "50ms-150ms", "--per-minute", "0")
	for range 2 {
		startWorker(t, quick(w.redis, gateway, "QFPAY_PER_SECOND=30"))
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

// TestFailover_UnderStrictLosesNothing: the same stall under strict. Nothing counts as
// done that no replica has: enqueue says so, and no call leaves. What was accepted
// has its result in the end, without anybody enqueuing it again, and what was
// confirmed is what it was.
func TestFailover_UnderStrictLosesNothing(t *testing.T) {
	t.Parallel()
	w := startWard(t, 2) // one to be the master, and one to confirm it then
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
	// The latest of these may be waiting for their replica still.
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
		t.Errorf("%d calls left that no replica knows of", more-calls)
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

// quiet waits until no call has come to the gateway for 3 s, longer than a call and
// a confirmation take, and returns how many there were.
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

// reissued counts the orders that stand under another number than their own.
func reissued(all []tasks.Result) int {
	numbers := map[string]string{}
	for _, r := range all {
		if r.IssuedAs != r.OutTradeNo {
			numbers[r.OutTradeNo] = r.IssuedAs
		}
	}
	return len(numbers)
}
