package tasks

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/hibiken/asynq"
	"github.com/redis/go-redis/v9"

	"github.com/qfpay-worker/qfpay-worker/internal/redistest"
)

// wake.lua and wakenew.lua do what asynq in the version of go.mod does, to the byte, except
// for times.
func TestWake_TasksEnqueuedHereAreThoseOfAsynq(t *testing.T) {
	t.Parallel()
	orders := []Order{numbered("A1"), numbered("A2"), numbered("A3")}
	orders[1].Lane = Interactive
	ways := map[string]func(*Producer){
		"asynq": func(p *Producer) {
			for _, o := range orders {
				asynqWakes(t, p, o.ID(), o.Lane, must(json.Marshal(o)))
			}
		},
		"wakenew.lua": func(p *Producer) {
			for _, o := range orders {
				must(p.Enqueue(t.Context(), o))
			}
		},
		"wake.lua": func(p *Producer) { must(p.EnqueueAll(t.Context(), orders)) },
	}
	servers := map[string]redis.UniversalClient{}
	for name, way := range ways {
		servers[name] = redistest.Start(t).Client(t)
		way(NewProducer(servers[name], keys))
	}
	asynqs := servers["asynq"]
	for name, rdb := range servers {
		if diff := cmp.Diff(dump(t, asynqs), dump(t, rdb)); diff != "" {
			t.Errorf("(-asynq +%s):\n%s", name, diff)
		}
		for _, l := range Lanes() {
			but := cmpopts.IgnoreFields(asynq.TaskInfo{}, "NextProcessAt")
			if diff := cmp.Diff(pending(t, asynqs, l), pending(t, rdb, l), but); diff != "" {
				t.Errorf("%s (-asynq +%s):\n%s", l, name, diff)
			}
		}
	}
}

// asynqWakes enqueues the task of an order as asynq does.
func asynqWakes(t *testing.T, p *Producer, id string, lane Lane, payload []byte) {
	t.Helper()
	if err := p.wakeOne(t.Context(), p.asynq, pendingOrder{id: id, lane: lane, payload: payload}); err != nil {
		t.Error(err)
	}
}

// dump returns everything that asynq has in Redis, except times.
func dump(t *testing.T, rdb redis.UniversalClient) map[string]any {
	t.Helper()
	all := map[string]any{}
	for _, key := range rdb.Keys(t.Context(), "asynq:*").Val() {
		switch kind := rdb.Type(t.Context(), key).Val(); kind {
		case "hash":
			fields := rdb.HGetAll(t.Context(), key).Val()
			if len(fields["pending_since"]) != len("1772424000000000000") {
				t.Errorf("%s: pending_since %q is not a time in ns", key, fields["pending_since"])
			}
			delete(fields, "pending_since")
			all[key] = fields
		case "list":
			all[key] = rdb.LRange(t.Context(), key, 0, -1).Val()
		case "set":
			all[key] = rdb.SMembers(t.Context(), key).Val()
			slices.Sort(all[key].([]string))
		default:
			t.Errorf("%s is a %s", key, kind)
		}
	}
	return all
}

// An existing task is not changed, and not confused with another.
func TestEnqueueAll_ATaskThatIsThereIsNotEnqueuedAgain(t *testing.T) {
	t.Parallel()
	rdb := redistest.Start(t).Client(t)
	p := NewProducer(rdb, keys)
	asynqWakes(t, p, "default:A1", Bulk, []byte("{}"))
	must(p.EnqueueAll(t.Context(), []Order{numbered("A1"), numbered("A2")}))
	if diff := cmp.Diff([]string{"default:A1", "default:A2"}, ids(pending(t, rdb, Bulk))); diff != "" {
		t.Error(diff)
	}
}

// If asynq's script changes, asynq enqueues the tasks one by one.
func TestWake_AnotherAsynqEnqueuesByItself(t *testing.T) {
	t.Parallel()
	var call *enqueueCall
	ctx := context.WithValue(t.Context(), recordKey{}, &call)
	recorder{}.EvalSha(ctx, "0123", []string{"task", "pending"}, "message", "id", int64(1))
	if call != nil {
		t.Error("an unknown script was recorded")
	}
	recorder{}.EvalSha(ctx, enqueueSHA, []string{"task", "pending"}, "message", "id", int64(1))
	if call == nil || call.task != "task" || call.pending != "pending" {
		t.Errorf("asynq's script was not recorded: %+v", call)
	}
}

// A task whose enqueuing is repeated is there, which is no failure.
func TestWake_ATaskIsEnqueuedAndNothingElse(t *testing.T) {
	t.Parallel()
	rdb := redistest.Start(t).Client(t)
	p := NewProducer(rdb, keys)
	for range 2 {
		asynqWakes(t, p, "default:A1001", Interactive, must(json.Marshal(validOrder())))
	}
	tasks := pending(t, rdb, Interactive)
	if diff := cmp.Diff([]string{"default:A1001"}, ids(tasks)); diff != "" {
		t.Fatal(diff)
	}
	if tasks[0].MaxRetry < 1<<30 || tasks[0].Timeout != TaskTimeout {
		t.Errorf("asynq may end the order: %d retries, timeout %s", tasks[0].MaxRetry, tasks[0].Timeout)
	}
	if n := rdb.Exists(t.Context(), keys.Order("default:A1001"), keys.Due()).Val(); n != 0 {
		t.Error("a wake-up has written into the journal")
	}
}

// trips counts the round trips to Redis. With fails set, it fails the wake-up in a pipeline,
// like a server of a Cluster.
type trips struct {
	noWake // its DialHook
	n      int
	fails  bool
}

func (h *trips) ProcessHook(next redis.ProcessHook) redis.ProcessHook {
	return func(ctx context.Context, cmd redis.Cmder) error {
		h.n++
		return next(ctx, cmd)
	}
}

func (h *trips) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return func(ctx context.Context, cmds []redis.Cmder) error {
		h.n++
		if !h.fails {
			return next(ctx, cmds)
		}
		err := next(ctx, slices.DeleteFunc(slices.Clone(cmds), wakes))
		for _, c := range cmds {
			if wakes(c) {
				c.SetErr(errors.New("CROSSSLOT Keys in request don't hash to the same slot"))
			}
		}
		return err
	}
}

func TestEnqueue_AnOrderIsAcceptedAndItsWorkerWokenInOneRoundTrip(t *testing.T) {
	t.Parallel()
	rdb := redistest.Start(t).Client(t)
	p, seen := NewProducer(rdb, keys), &trips{}
	must(p.Enqueue(t.Context(), numbered("A1"))) // the scripts are known from here on
	rdb.AddHook(seen)
	must(p.Enqueue(t.Context(), numbered("A2")))
	if seen.n != 1 {
		t.Errorf("%d round trips, want 1", seen.n)
	}
	if diff := cmp.Diff([]string{"default:A1", "default:A2"}, sorted(ids(pending(t, rdb, Bulk)))); diff != "" {
		t.Error(diff)
	}
}

func TestEnqueue_AServerThatIsOneOfSeveralHasItsWorkerWokenByAsynq(t *testing.T) {
	t.Parallel()
	rdb := redistest.Start(t).Client(t)
	rdb.AddHook(&trips{fails: true})
	if got, err := NewProducer(rdb, keys).Enqueue(t.Context(), numbered("A1")); got.Status != Enqueued || err != nil {
		t.Error(got, err)
	}
	if diff := cmp.Diff([]string{"default:A1"}, ids(pending(t, rdb, Bulk))); diff != "" {
		t.Error(diff)
	}
}

// For a duplicate, a worker was woken when it was new. For an order that was not accepted none
// must be woken, because it would process the task as an order.
func TestEnqueue_OnlyANewOrderHasItsWorkerWoken(t *testing.T) {
	t.Parallel()
	rdb := redistest.Start(t).Client(t)
	p := NewProducer(rdb, keys)
	must(p.Accept(t.Context(), numbered("A1")))
	if got, err := p.Enqueue(t.Context(), numbered("A1")); got.Status != Duplicate || err != nil {
		t.Error(got, err)
	}
	other, conflict := numbered("A1"), (*ConflictError)(nil)
	other.TxAmt++
	if _, err := p.Enqueue(t.Context(), other); !errors.As(err, &conflict) {
		t.Error(err)
	}
	must(p.Accept(t.Context(), numbered("A2")))
	full := (*HighWaterError)(nil)
	if err := rdb.XAdd(t.Context(), &redis.XAddArgs{Stream: keys.Results(), Values: []string{"a", "b"}}).Err(); err != nil {
		t.Fatal(err)
	}
	if _, err := p.WithHighWater(1).Enqueue(t.Context(), numbered("A3")); !errors.As(err, &full) {
		t.Error(err)
	}
	if got := ids(pending(t, rdb, Bulk)); len(got) != 0 {
		t.Errorf("tasks: %v", got)
	}
}

func TestEnqueue_AServerThatKnowsOneOfTheScriptsIsGivenBoth(t *testing.T) {
	t.Parallel()
	rdb := redistest.Start(t).Client(t)
	p := NewProducer(rdb, keys)
	must(p.Accept(t.Context(), numbered("A1"))) // accept.lua is known
	if got, err := p.Enqueue(t.Context(), numbered("A2")); got.Status != Enqueued || err != nil {
		t.Error(got, err)
	}
	if diff := cmp.Diff([]string{"default:A2"}, ids(pending(t, rdb, Bulk))); diff != "" {
		t.Error(diff)
	}
}

func sorted(all []string) []string { slices.Sort(all); return all }
