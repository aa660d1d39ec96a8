package worker

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/hibiken/asynq"
	"github.com/redis/go-redis/v9"

	"github.com/qfpay-worker/qfpay-worker/internal/redistest"
	"github.com/qfpay-worker/qfpay-worker/qfpay/simulator"
	"github.com/qfpay-worker/qfpay-worker/tasks"
	"github.com/qfpay-worker/qfpay-worker/worker/event"
)

// request puts an entry on the request stream and returns its ID.
func (r *rig) request(fields ...string) string {
	r.t.Helper()
	id, err := r.rdb.XAdd(r.t.Context(), &redis.XAddArgs{Stream: r.keys.Requests(), Values: fields}).Result()
	if err != nil {
		r.t.Fatal(err)
	}
	return id
}

// requestOf is an order as a request of one field.
func requestOf(o tasks.Order) []string {
	b, err := json.Marshal(o)
	if err != nil {
		panic(err)
	}
	return []string{"order", string(b)}
}

// takenIn waits until no request is left, neither in the stream nor pending.
func (r *rig) takenIn() {
	r.t.Helper()
	r.eventually("every request is taken in", func() bool {
		groups := r.rdb.XInfoGroups(r.t.Context(), r.keys.Requests()).Val()
		return len(groups) == 1 && groups[0].Pending == 0 && r.rdb.XLen(r.t.Context(), r.keys.Requests()).Val() == 0
	})
}

// refusals returns the entries of the stream of refusals.
func (r *rig) refusals() (all []map[string]any) {
	r.t.Helper()
	for _, m := range r.rdb.XRange(r.t.Context(), r.keys.Rejected(), "-", "+").Val() {
		all = append(all, m.Values)
	}
	return all
}

func (r *rig) consumers() (names []string) {
	all, err := r.rdb.XInfoConsumers(r.t.Context(), r.keys.Requests(), "workers").Result()
	ok(r.t, err)
	for _, c := range all {
		names = append(names, c.Name)
	}
	return names
}

func TestIntake_TurnsRequestsInEitherFormIntoResults(t *testing.T) {
	t.Parallel()
	r := newRig(t, simulator.Config{})
	r.request(requestOf(anOrder("S0"))...) // before there was any worker
	stop := r.start()
	r.request("out_trade_no", "S1", "pay_type", "802001", "txamt", "100", "txcurrcd", "HKD", "lane", "interactive")
	r.request(requestOf(anOrder("S0"))...) // the same again is a duplicate, and no refusal
	results := r.results(2)
	r.agree(results)
	r.onceEach(results)
	if results["S1"].Lane != "interactive" || results["S1"].TxAmt != "100" {
		t.Errorf("%+v", results["S1"])
	}
	r.takenIn()
	if got := r.refusals(); got != nil {
		t.Errorf("refused: %v", got)
	}
	stop()
	if names := r.consumers(); names != nil {
		t.Errorf("the group has collected %q", names)
	}
}

func TestIntake_RefusesARequestThatIsNoOrderAndSaysWhy(t *testing.T) {
	t.Parallel()
	r := newRig(t, simulator.Config{})
	good := requestOf(anOrder("S1"))
	dearer := anOrder("S1")
	dearer.TxAmt++
	r.request(good...)
	bad := map[string]struct{ reason, order string }{}
	refuse := func(reason, order string, fields ...string) {
		bad[r.request(fields...)] = struct{ reason, order string }{reason, order}
	}
	refuse("txamt: must be a whole number", `{"out_trade_no":"S2","pay_type":"802001","txamt":"1.5","txcurrcd":"HKD"}`,
		"out_trade_no", "S2", "pay_type", "802001", "txamt", "1.5", "txcurrcd", "HKD")
	refuse("amount: is not a field of an order", `{"amount":"1"}`, "amount", "1")
	refuse("txamt: appears more than once", `{"out_trade_no":"S3","txamt":"1","txamt":"2"}`, "out_trade_no", "S3", "txamt", "1", "txamt", "2")
	refuse("not JSON at byte 1", "S4", "order", "S4")
	refuse("order: is the whole order", fmt.Sprintf(`{"order":%q,"txamt":"1"}`, good[1]), append(slices.Clone(good), "txamt", "1")...)
	refuse("default:S1 already exists with other content", requestOf(dearer)[1], requestOf(dearer)...)
	r.rdb.Set(t.Context(), r.keys.Order("default:S9"), "x", 0)
	refuse("default:S9: not accepted: its journal cannot be read: WRONGTYPE", requestOf(anOrder("S9"))[1], requestOf(anOrder("S9"))...)
	r.request(requestOf(anOrder("S5"))...)
	r.start()
	r.results(2)
	r.takenIn()
	got := r.refusals()
	if len(got) != len(bad) {
		t.Errorf("%d refusals, want %d", len(got), len(bad))
	}
	for _, entry := range got {
		want, known := bad[entry["id"].(string)]
		if !known || !strings.Contains(entry["reason"].(string), want.reason) {
			t.Errorf("%v: want %q", entry, want.reason)
		}
		if diff := cmp.Diff(want.order, entry["order"]); diff != "" || len(entry) != 3 {
			t.Errorf("%v: %s", entry, diff)
		}
	}
}

// What a dead worker was given and had not accepted is taken over, and its name goes.
func TestIntake_TakesOverTheRequestsOfADeadWorker(t *testing.T) {
	t.Parallel()
	r := newRig(t, simulator.Config{})
	ok(t, r.rdb.XGroupCreateMkStream(t.Context(), r.keys.Requests(), "workers", "0").Err())
	ok(t, r.rdb.XGroupCreateConsumer(t.Context(), r.keys.Requests(), "workers", "without anything").Err())
	for i := range 20 {
		r.request(requestOf(anOrder(fmt.Sprint("S", i)))...)
	}
	read, err := r.rdb.XReadGroup(t.Context(), &redis.XReadGroupArgs{Group: "workers", Consumer: "dead",
		Streams: []string{r.keys.Requests(), ">"}, Count: 10, Block: -1}).Result()
	ok(t, err)
	taken := read[0].Messages
	if len(taken) != 10 {
		t.Fatalf("%d entries", len(taken))
	}
	// One had been accepted, and not acknowledged yet; one was deleted by hand.
	if _, err := r.producer().Enqueue(t.Context(), anOrder("S0")); err != nil {
		t.Fatal(err)
	}
	ok(t, r.rdb.XDel(t.Context(), r.keys.Requests(), taken[1].ID).Err())
	r.intakeIdle = 300 * time.Millisecond
	r.start()
	results := r.results(19)
	r.onceEach(results)
	r.takenIn()
	// The worker's own name may be gone too: Redis 7.0 brings it back with the next request.
	r.eventually("the dead are forgotten", func() bool {
		names := r.consumers()
		return !slices.Contains(names, "dead") && !slices.Contains(names, "without anything")
	})
}

func TestIntake_LosesNoRequestWhileRedisIsAway(t *testing.T) {
	t.Parallel()
	r := newRigOn(t, redistest.Start(t, "--appendonly", "yes", "--appendfsync", "always"))
	r.start()
	for i := range 300 {
		r.request(requestOf(anOrder(fmt.Sprint("S", i)))...)
		if i%100 == 50 {
			r.server.Kill()
			r.eventually("the worker misses Redis", func() bool {
				return slices.Contains(seen[event.RedisFailed](r.events), event.RedisFailed{Op: "intake"})
			})
			r.server.Boot(t)
		}
	}
	r.onceEach(r.results(300))
	r.takenIn()
}

func TestIntake_WaitsWhileTheResultStreamIsFull(t *testing.T) {
	t.Parallel()
	r := newRig(t, simulator.Config{})
	r.config.HighWater = 3
	for range 3 {
		ok(t, r.rdb.XAdd(t.Context(), &redis.XAddArgs{Stream: r.keys.Results(), Values: []string{"v", "1"}}).Err())
	}
	r.enqueue(1, nil) // accepted before, so it goes its way
	r.request(requestOf(anOrder("S1"))...)
	r.start()
	r.eventually("the accepted order is published", func() bool { return r.published() == 4 })
	r.eventually("it is said that requests wait", func() bool { return strings.Contains(r.log.String(), "requests wait") })
	if n := r.rdb.XLen(t.Context(), r.keys.Requests()).Val(); n != 1 || r.refusals() != nil {
		t.Errorf("%d requests are left, refused: %v", n, r.refusals())
	}
	ok(t, r.rdb.XTrimMaxLen(t.Context(), r.keys.Results(), 0).Err())
	r.results(1)
	r.takenIn()
}

func TestIntake_KeepsARequestUntilAReplicaHasItWhenStrict(t *testing.T) {
	t.Parallel()
	r, primary := strictRig(t)
	r.request(requestOf(anOrder("S1"))...)
	r.start()
	r.eventually("the worker has tried", func() bool {
		return slices.Contains(seen[event.RedisFailed](r.events), event.RedisFailed{Op: "intake"})
	})
	if n := r.rdb.XLen(t.Context(), r.keys.Requests()).Val(); n != 1 {
		t.Error("the request was taken off the stream before a replica had the order")
	}
	redistest.StartReplica(t, primary.Addr)
	r.results(1)
	r.takenIn()
	r.eventually("the result is confirmed too", func() bool { return len(seen[event.Settled](r.events)) == 1 })
}

// The group may be deleted under the worker's feet, and the stream too.
func TestIntake_OpensItsGroupAgain(t *testing.T) {
	t.Parallel()
	r := newRig(t, simulator.Config{})
	r.start()
	r.request(requestOf(anOrder("S1"))...)
	r.results(1)
	ok(t, r.rdb.Del(t.Context(), r.keys.Requests()).Err())
	r.request(requestOf(anOrder("S2"))...)
	r.results(2)
	r.takenIn()
}

// Neither a request nor a task is kept whole when it is far too long for an order; the others go on.
func TestIntake_KeepsOnlyTheBeginningOfWhatIsTooLong(t *testing.T) {
	t.Parallel()
	r := newRig(t, simulator.Config{})
	long := strings.Repeat("x", 2<<20)
	r.request("order", long)
	r.request("out_trade_no", "S1", "notify_url", long)
	named := fmt.Sprintf(`{"out_trade_no":"T1","pay_type":"800101","txamt":100,"txcurrcd":"HKD","notify_url":%q}`, long)
	for _, payload := range []string{long, named} {
		_, err := asynq.NewClientFromRedisClient(r.rdb).EnqueueContext(t.Context(), asynq.NewTask(tasks.TypeCreate, []byte(payload)),
			asynq.Queue(r.keys.Queue(tasks.Bulk)))
		ok(t, err)
	}
	r.request(requestOf(anOrder("S2"))...)
	r.start()
	r.onceEach(r.results(1))
	r.takenIn()
	r.eventually("all four are refused", func() bool { return len(r.refusals()) == 4 })
	for _, e := range r.refusals() {
		if reason := e["reason"].(string); !strings.Contains(reason, "too long") || !strings.Contains(reason, " has 2097") || len(e["order"].(string)) > 5000 {
			t.Errorf("%s: %d bytes of it are kept", reason, len(e["order"].(string)))
		}
	}
	if n := r.rdb.Exists(t.Context(), r.keys.Order("default:T1")).Val(); n != 0 {
		t.Error("a task that is too long for an order has a journal")
	}
}
