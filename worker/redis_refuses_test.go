package worker

import (
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/qfpay-worker/qfpay-worker/internal/redistest"
	"github.com/qfpay-worker/qfpay-worker/tasks"
	"github.com/qfpay-worker/qfpay-worker/worker/event"
)

// A Redis that is out of memory refuses asynq's dequeue, whether there is a task or
// not. It is asked again, but not all the time. (Without the pause of the wake hook:
// 20,000 times a second.)
func TestRedis_IsNotHammeredWhileItRefuses(t *testing.T) {
	t.Parallel()
	r := newRigOn(t, redistest.Start(t))
	r.server.Do(t, "config", "set", "maxmemory", "1")
	r.start()
	refusals := func() int {
		calls := regexp.MustCompile(`errorstat_OOM:count=(\d+)`).FindStringSubmatch(r.server.Do(t, "info", "errorstats"))
		if calls == nil {
			return 0
		}
		n, err := strconv.Atoi(calls[1])
		ok(t, err)
		return n
	}
	r.eventually("the first dequeues are refused", func() bool { return refusals() > 0 })
	began, before := time.Now(), refusals()
	<-time.After(time.Second)
	// Two lanes, each at most every 250 ms. The server refuses other writes too, of which each comes once in
	// seconds: asynq's heartbeat, its forwarder and its recoverer, and the worker's presence.
	const others = 4
	most := 2*(int(time.Since(began)/(250*time.Millisecond))+2) + others
	if n := refusals() - before; n == 0 || n > most {
		t.Errorf("%d refusals within %s, want 1 to %d", n, time.Since(began), most)
	}
}

// A user that is switched off, as when a password is rotated: the server refuses every new
// connection. Nothing is written meanwhile, the log stays short, and orders flow again at once.
func TestRedis_RefusedConnectionsMakeNoTasksAndNoNoise(t *testing.T) {
	t.Parallel()
	r := newRigOn(t, redistest.Start(t))
	r.server.Do(t, "acl", "setuser", "app", "on", ">secret", "~*", "&*", "+@all")
	r.user = "app"
	r.start()
	r.enqueue(1, nil)
	r.results(1)

	r.server.Do(t, "acl", "setuser", "app", "off")
	r.server.Do(t, "client", "kill", "user", "app")
	quiet := strings.Count(r.log.String(), "\n")
	<-time.After(5 * time.Second)
	lines := strings.Split(strings.TrimSpace(r.log.String()), "\n")[quiet:]
	t.Logf("%d lines within 5 s", len(lines))
	if len(lines) > 10 || len(lines) == 0 {
		t.Errorf("%d lines within 5 s, want a few; the last:\n%s", len(lines), r.log.tail(10))
	}
	if n := r.rdb.XLen(t.Context(), r.keys.Rejected()).Val(); n != 0 {
		t.Errorf("%d dead letters of tasks that never existed", n)
	}

	_, err := r.producer().Enqueue(t.Context(), anOrder("AFTER"))
	ok(t, err)
	r.server.Do(t, "acl", "setuser", "app", "on")
	began := time.Now()
	r.eventually("the order has its result", func() bool { return r.published() == 2 })
	if took := time.Since(began); took > 5*time.Second {
		t.Errorf("the order had its result %s after all was well, want at most 5 s", took)
	}
}

// The worker's user may not touch asynq's keys: no order would ever be taken, so the worker is not
// ready, says why, and counts it; and it is ready again when tasks can be taken.
func TestReady_NotWhileNoTaskCanBeTaken(t *testing.T) {
	t.Parallel()
	r := newRigOn(t, redistest.Start(t))
	r.server.Do(t, "acl", "setuser", "app", "on", ">secret", "~{qfpay}:*", "&*", "+@all")
	r.user = "app"
	r.start()
	w := r.workers[0]
	ok(t, w.Ready(t.Context())) // for ten seconds
	w.dequeueFails = time.Millisecond
	var err error
	r.eventually("the worker is not ready", func() bool { err = w.Ready(t.Context()); return err != nil })
	if !strings.Contains(err.Error(), "queue qfpay:") || !strings.Contains(err.Error(), "NOPERM") {
		t.Errorf("it says: %v", err)
	}
	if !slices.Contains(seen[event.RedisFailed](r.events), event.RedisFailed{Op: "dequeue"}) {
		t.Error("no failed dequeue was counted")
	}
	r.server.Do(t, "acl", "setuser", "app", "~*")
	r.eventually("the worker is ready", func() bool { return w.Ready(t.Context()) == nil })
}

// The password of the worker's user is changed while it works on many orders, and then taken back:
// what could not be fetched meanwhile is not taken for tasks, and every order gets its one result.
func TestRedis_APasswordThatChangesUnderTrafficMakesNoTasks(t *testing.T) {
	t.Parallel()
	r := newRigOn(t, redistest.Start(t))
	r.server.Do(t, "acl", "setuser", "app", "on", ">secret", "~*", "&*", "+@all")
	r.user = "app"
	// A task that was fetched, and whose answer was lost, is made up for by the order's first look, which
	// is early in this lane.
	orders := r.enqueue(600, func(_ int, o *tasks.Order) { o.Lane = tasks.Interactive })
	r.start()
	r.eventually("the worker is in the middle of it", func() bool { return r.published() > 30 })
	r.server.Do(t, "acl", "setuser", "app", "resetpass", ">other")
	r.server.Do(t, "client", "kill", "user", "app")
	quiet := strings.Count(r.log.String(), "\n")
	r.eventually("dequeues fail", func() bool {
		return slices.Contains(seen[event.RedisFailed](r.events), event.RedisFailed{Op: "dequeue"})
	})
	<-time.After(time.Second) // of failing
	if lines := strings.Count(r.log.String(), "\n") - quiet; lines > 150 {
		t.Errorf("%d lines within a second; the last:\n%s", lines, r.log.tail(10))
	}
	r.server.Do(t, "acl", "setuser", "app", "resetpass", ">secret")
	results := r.results(len(orders))
	r.agree(results)
	r.onceEach(results)
	if n := r.rdb.XLen(t.Context(), r.keys.Rejected()).Val(); n != 0 {
		t.Errorf("%d dead letters of tasks that never existed", n)
	}
}
