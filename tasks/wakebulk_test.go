package tasks

import (
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/hibiken/asynq"
	"github.com/redis/go-redis/v9"

	"github.com/qfpay-worker/qfpay-worker/tasks/redistest"
)

// What wake.lua does is what asynq in the version of go.mod does, to the byte but for
// the time.
func TestTasksEnqueuedInBulkAreThoseOfAsynq(t *testing.T) {
	t.Parallel()
	one, many := redistest.Start(t).Client(t), redistest.Start(t).Client(t)
	orders := []Order{numbered("A1"), numbered("A2"), numbered("A3")}
	orders[1].Lane = Interactive
	for _, o := range orders {
		must(NewProducer(one, keys).Enqueue(t.Context(), o))
	}
	must(NewProducer(many, keys).EnqueueAll(t.Context(), orders))
	if diff := cmp.Diff(dump(t, one), dump(t, many)); diff != "" {
		t.Errorf("(-asynq +wake.lua):\n%s", diff)
	}
	for _, l := range Lanes() {
		but := cmpopts.IgnoreFields(asynq.TaskInfo{}, "NextProcessAt")
		if diff := cmp.Diff(pending(t, one, l), pending(t, many, l), but); diff != "" {
			t.Errorf("%s (-asynq +wake.lua):\n%s", l, diff)
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
func TestATaskThatIsThereIsNotEnqueuedAgainInBulk(t *testing.T) {
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
func TestAnotherAsynqIsLeftToEnqueueByItself(t *testing.T) {
	t.Parallel()
	taken := &takenScripts{}
	taken.EvalSha(t.Context(), "0123", []string{"task", "pending"}, "message", "id", int64(1))
	if taken.last != nil {
		t.Error("an unknown script was taken for asynq's")
	}
	taken.EvalSha(t.Context(), enqueueSHA, []string{"task", "pending"}, "message", "id", int64(1))
	if taken.last == nil || taken.last.task != "task" || taken.last.pending != "pending" {
		t.Errorf("asynq's script was not taken: %+v", taken.last)
	}
}
