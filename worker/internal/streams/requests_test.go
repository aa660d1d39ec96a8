package streams

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/redis/go-redis/v9"
)

func TestIntake_ReadsAnswersOfRedisInEitherProtocol(t *testing.T) {
	t.Parallel()
	entries := []any{[]any{"1-0", []any{"a", "1", "a", "2"}}, []any{"2-0", nil}, nil}
	want := []requestEntry{{id: "1-0", fields: []string{"a", "1", "a", "2"}, size: 4}, {id: "2-0"}}
	for _, answer := range []any{map[any]any{"s": entries}, []any{[]any{"s", entries}}} {
		got, err := entriesOf(answer, "s")
		if diff := cmp.Diff(want, got, cmp.AllowUnexported(requestEntry{})); diff != "" || err != nil {
			t.Errorf("%v: %v\n%s", answer, err, diff)
		}
	}
	for _, answer := range []any{"OK", []any{}, []any{"s"}, map[any]any{"s": "x"}, []any{[]any{"s", []any{[]any{"1-0"}}}}} {
		if got, err := entriesOf(answer, "s"); err == nil {
			t.Errorf("%v: %v", answer, got)
		}
	}
}

// A consumer that has something left keeps its name, however long it has been silent.
func TestIntake_DoesNotForgetAConsumerWithEntries(t *testing.T) {
	t.Parallel()
	r := newResults(t)
	dead := requestsOf(Config{Redis: r.rdb, Blocking: r.rdb, Keys: r.keys}, "dead")
	ok(t, dead.open(t.Context()))
	id, err := r.rdb.XAdd(t.Context(), &redis.XAddArgs{Stream: r.keys.Requests(), Values: []any{"order", "x"}}).Result()
	ok(t, err)
	_, err = dead.fresh(t.Context(), 10)
	ok(t, err)
	const anyTime = -time.Second // a script's clock may be a little behind the one that marked the consumer
	ok(t, dead.forget(t.Context(), anyTime, "dead"))
	consumers := func() (names []string) {
		for _, c := range r.rdb.XInfoConsumers(t.Context(), r.keys.Requests(), intakeGroup).Val() {
			names = append(names, c.Name)
		}
		return names
	}
	if diff := cmp.Diff([]string{"dead"}, consumers()); diff != "" {
		t.Fatal(diff)
	}
	ok(t, dead.settle(t.Context(), []string{id}, nil))
	ok(t, dead.forget(t.Context(), anyTime, ""))
	if names := consumers(); names != nil {
		t.Errorf("%q are left", names)
	}
}
