package streams

import (
	"errors"
	"fmt"
	"log/slog"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/qfpay-worker/qfpay-worker/tasks"
	"github.com/qfpay-worker/qfpay-worker/worker/internal/redisbound"
)

// sizeOf is what entries take in memory.
func sizeOf(entries []requestEntry) (bytes int) {
	for _, e := range entries {
		for _, text := range e.fields {
			bytes += len(text)
		}
	}
	return bytes
}

// bounded returns a client whose answers are bounded, as that of a worker is.
func (r *results) bounded() *redis.Client {
	rdb := r.server.Client(r.t)
	redisbound.Install(rdb)
	return rdb
}

// Large entries come a few at a time, and of one that is too long for an order only its beginning:
// when they are new, when they are left from before, and when they are taken over.
func TestIntake_ReadsNoMoreThanItHasMemoryFor(t *testing.T) {
	t.Parallel()
	r := newResults(t)
	c := Config{Redis: r.rdb, Blocking: r.bounded(), Keys: r.keys}
	one, other := requestsOf(c, "one"), requestsOf(c, "other")
	ok(t, one.open(t.Context()))
	const n = 150
	for i := range n {
		size := []int{300, tasks.MaxOrderBytes, 1 << 20}[i%3]
		ok(t, r.rdb.XAdd(t.Context(), &redis.XAddArgs{Stream: r.keys.Requests(), Values: []any{"traceparent", "t", "order", strings.Repeat("x", size)}}).Err())
	}
	from := "0-0"
	for name, read := range map[string]func() ([]requestEntry, error){
		"fresh": func() ([]requestEntry, error) { return one.fresh(t.Context(), 1000) },
		"left":  func() ([]requestEntry, error) { return one.left(t.Context(), 1000) },
		"taken over": func() (found []requestEntry, err error) {
			found, from, err = other.claim(t.Context(), 0, from, 1000)
			return found, err
		},
	} {
		ok(t, r.rdb.XGroupDestroy(t.Context(), r.keys.Requests(), intakeGroup).Err())
		ok(t, one.open(t.Context()))
		if name != "fresh" {
			for got := 0; got < n; {
				entries, err := one.fresh(t.Context(), 1000)
				ok(t, err)
				got += len(entries)
			}
		}
		seen := map[string]bool{}
		for len(seen) < n {
			entries, err := read()
			ok(t, err)
			if len(entries) == 0 {
				t.Fatalf("%s: %d entries of %d", name, len(seen), n)
			}
			if bytes := sizeOf(entries); bytes > batchBytes+8*maxEntryBytes {
				t.Errorf("%s: %d entries with %d bytes at once", name, len(entries), bytes)
			}
			var ids []string
			for _, e := range entries {
				if e.size > maxEntryBytes && (!errors.Is(e.refused(), tasks.ErrOrderTooLong) || len(e.fields[1]) != keptBytes) {
					t.Errorf("%s: an entry of %d bytes: %v, %d bytes of it", name, e.size, e.refused(), len(e.fields[1]))
				}
				seen[e.id] = true
				ids = append(ids, e.id)
			}
			if name == "left" {
				ok(t, r.rdb.XAck(t.Context(), r.keys.Requests(), intakeGroup, ids...).Err())
			}
		}
	}
}

// An entry that comes while a worker waits for one is not read if it is too long: in a field, or in all
// of them together. Its beginning is read then.
func TestIntake_WaitsForNoEntryThatIsTooLong(t *testing.T) {
	t.Parallel()
	r := newResults(t)
	one := requestsOf(Config{Redis: r.rdb, Blocking: r.bounded(), Keys: r.keys}, "one")
	ok(t, one.open(t.Context()))
	var fields []string
	for i := range 100 {
		fields = append(fields, fmt.Sprint("f", i), strings.Repeat("x", 100<<10))
	}
	for _, values := range [][]string{{"order", strings.Repeat("x", 64<<20)}, fields} {
		ok(t, r.rdb.XAdd(t.Context(), &redis.XAddArgs{Stream: r.keys.Requests(), Values: values}).Err())
		found, err := one.wait(t.Context(), time.Millisecond)
		if _, long := redisbound.Exceeded(err); !long {
			t.Fatalf("%d entries, %v", len(found), err)
		}
		left, err := one.left(t.Context(), 10)
		ok(t, err)
		if len(left) != 1 || !errors.Is(left[0].refused(), tasks.ErrOrderTooLong) || sizeOf(left) > 2*keptBytes {
			t.Fatalf("left: %d entries of %d bytes", len(left), sizeOf(left))
		}
		ok(t, one.settle(t.Context(), []string{left[0].id}, nil))
	}
}

// An entry that no reader outlives is refused, not given to one worker after the other. A reader that
// lives, and cannot accept the entry because the result stream is full, does not count.
func TestIntake_RefusesAnEntryThatItsReadersDoNotOutlive(t *testing.T) {
	t.Parallel()
	r := newResults(t)
	id, err := r.rdb.XAdd(t.Context(), &redis.XAddArgs{Stream: r.keys.Requests(), Values: []any{"order", "x"}}).Result()
	ok(t, err)
	worker := func(i int) requests {
		return requestsOf(Config{Redis: r.rdb, Blocking: r.rdb, Keys: r.keys}, fmt.Sprint("worker ", i))
	}
	ok(t, worker(0).open(t.Context()))
	_, err = worker(0).wait(t.Context(), time.Millisecond)
	ok(t, err)
	takeOver := func(i int) error {
		found, next, err := worker(i).claim(t.Context(), 0, "0-0", 10)
		ok(t, err)
		if len(found) != 1 || next != "0-0" {
			t.Fatalf("taken over: %v, %q", found, next)
		}
		return found[0].refused()
	}
	for i := range 4 {
		if err := takeOver(i); err != nil {
			t.Fatalf("taken over %d times: %v", i+1, err)
		}
	}
	ok(t, worker(3).survived(t.Context(), []string{id}))
	for i := range 5 {
		if err := takeOver(i); err != nil {
			t.Fatalf("taken over %d times since a worker lived: %v", i+1, err)
		}
	}
	if err := takeOver(9); err == nil || !strings.Contains(err.Error(), "5 workers in turn") {
		t.Errorf("after five: %v", err)
	}
}

func TestDeadLetter_KeepsTheBeginningOfWhatIsTooLong(t *testing.T) {
	t.Parallel()
	keys := tasks.Keys{Prefix: tasks.DefaultPrefix}
	for size, want := range map[int]int{tasks.MaxOrderBytes: tasks.MaxOrderBytes, 20 << 20: keptBytes + len("…")} {
		kept := DeadLetter(keys, "", tasks.ErrOrderTooLong, strings.Repeat("x", size)).Values.([]any)[5].(string)
		if len(kept) != want {
			t.Errorf("%d bytes of %d are kept, want %d", len(kept), size, want)
		}
	}
}

// spoken is a log: a line at a time.
type spoken chan string

func (s spoken) Write(line []byte) (int, error) {
	s <- string(line)
	return len(line), nil
}

// Anybody who may order can put rubbish on the stream, entry by entry. All of it is counted, in a line
// a second.
func TestIntake_SaysOnceASecondThatRequestsWereRefused(t *testing.T) {
	t.Parallel()
	r := newResults(t)
	lines := make(spoken, 100)
	in := NewIntake(Config{Redis: r.rdb, Blocking: r.rdb, Keys: r.keys, Observer: silent{}, Logger: slog.New(slog.NewTextHandler(lines, nil))},
		tasks.NewProducer(r.rdb, r.keys))
	ok(t, in.open(t.Context()))
	began, refused := time.Now(), 0
	for range 50 {
		_, err := in.accept(t.Context(), []entry{{requestEntry: requestEntry{id: "1-1"}, bad: tasks.ErrOrderTooLong}})
		ok(t, err)
	}
	for said := 1; refused < 50; said++ {
		line := <-lines
		_, count, _ := strings.Cut(line, " requests=")
		n, err := strconv.Atoi(strings.Fields(count + " none")[0])
		if took := time.Since(began); err != nil || said > 1+int(took/time.Second) {
			t.Fatalf("line %d after %v: %s", said, took, line)
		}
		refused += n
	}
	if refused != 50 {
		t.Errorf("%d of 50 were counted", refused)
	}
}
