package tasks

import (
	"context"
	"encoding/json"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/hibiken/asynq"
	"github.com/redis/go-redis/v9"

	"github.com/qfpay-worker/qfpay-worker/internal/redistest"
)

// What wake.lua and wakenew.lua do is what asynq in the version of go.mod does, to the byte
// but for the time.
func TestWake_TasksEnqueuedHereAreThoseOfAsynq(t *testing.T) {
	t.Parallel()
	orders := []Order{numbered("A1"), numbered("A2"), numbered("A3")}
	orders[1].Lane = Interactive
	ways := map[string]func(*Producer){
		"asynq": func(p *Producer) {
			for _, o := range orders {
				if err := p.Wake(t.Context(), o.ID(), o.Lane, must(json.Marshal(o)), o.ID()); err != nil {
					t.Error(err)
				}
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

// dump returns everything that asynq has in Redis, but for times.
func dump(t *testing.T, rdb redis.UniversalClient) map[string]any {
	t.Helper()
	all := map[string]any{}
	for _, key := range rdb.Keys(t.Context(), "asynq:*").Val() {
		switch kind := rdb.Type(t.Context(), key).Val(); kind {
		case "hash":
			fields := rdb.HGetAll(t.Context(), key).Val()
			if len(fields["pending_since"]) != len("1772424000000000000") {
				t.Errorf("%s: pending_since %q is no time in ns", key, fields["pending_since"])
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

// A task that is there is left alone, and one is not taken for another.
func TestEnqueueAll_ATaskThatIsThereIsNotEnqueuedAgain(t *testing.T) {
	t.Parallel()
	rdb := redistest.Start(t).Client(t)
	p := NewProducer(rdb, keys)
	if err := p.Wake(t.Context(), "default:A1", Bulk, []byte("{}"), "default:A1"); err != nil {
		t.Fatal(err)
	}
	must(p.EnqueueAll(t.Context(), []Order{numbered("A1"), numbered("A2")}))
	if diff := cmp.Diff([]string{"default:A1", "default:A2"}, ids(pending(t, rdb, Bulk))); diff != "" {
		t.Error(diff)
	}
}

// Should asynq's script change, its tasks come one by one, in their order.
func TestWake_AnotherAsynqEnqueuesByItself(t *testing.T) {
	t.Parallel()
	var call *enqueueCall
	ctx := context.WithValue(t.Context(), noteKey{}, &call)
	noteTaker{}.EvalSha(ctx, "0123", []string{"task", "pending"}, "message", "id", int64(1))
	if call != nil {
		t.Error("an unknown script was taken for asynq's")
	}
	noteTaker{}.EvalSha(ctx, enqueueSHA, []string{"task", "pending"}, "message", "id", int64(1))
	if call == nil || call.task != "task" || call.pending != "pending" {
		t.Errorf("asynq's script was not taken: %+v", call)
	}
}
