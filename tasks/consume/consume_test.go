package consume

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/redis/go-redis/v9"
	"go.uber.org/goleak"

	"github.com/qfpay-worker/qfpay-worker/internal/redistest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m, redistest.Dialing) }

const stream = "results"

// entry is a message of the stream: its name, or an error if it has none.
type entry struct {
	id, name string
	err      error
}

func newReader(rdb redis.UniversalClient) *Reader[entry] {
	return New(rdb, stream, func(m redis.XMessage) entry {
		text, is := m.Values["name"].(string)
		if !is {
			return entry{id: m.ID, err: errors.New("no name")}
		}
		return entry{id: m.ID, name: text}
	})
}

// publish writes results with these names.
func publish(t *testing.T, rdb redis.UniversalClient, names ...string) {
	t.Helper()
	for _, n := range names {
		if err := rdb.XAdd(t.Context(), &redis.XAddArgs{Stream: stream, Values: []string{"name", n}}).Err(); err != nil {
			t.Fatal(err)
		}
	}
}

// junk writes an entry that is not a result.
func junk(t *testing.T, rdb redis.UniversalClient) {
	t.Helper()
	if err := rdb.XAdd(t.Context(), &redis.XAddArgs{Stream: stream, Values: []string{"x", "1"}}).Err(); err != nil {
		t.Fatal(err)
	}
}

// soon returns a context for calls that must end by themselves: a test that would wait
// forever fails.
func soon(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	t.Cleanup(cancel)
	return ctx
}

var errEnough = errors.New("enough")

// collector collects the entries of a reader, until it has n.
type collector struct {
	n    int
	seen []string
	last string
}

func (c *collector) take(e entry) error {
	c.seen, c.last = append(c.seen, name(e)), e.id
	if len(c.seen) == c.n {
		return errEnough
	}
	return nil
}

func name(e entry) string {
	if e.err != nil {
		return "not a result"
	}
	return e.name
}

func TestRead_EntriesComeInTheirOrder(t *testing.T) {
	t.Parallel()
	rdb := redistest.Start(t).Client(t)
	results := newReader(rdb)
	if got, err := results.Read(t.Context(), "", 10); len(got) != 0 || err != nil {
		t.Errorf("nothing was published: %v, %v", got, err)
	}
	publish(t, rdb, "A1", "A2")
	junk(t, rdb)
	publish(t, rdb, "A3")
	var got []string
	from := ""
	for {
		entries, err := results.Read(t.Context(), from, 3)
		if err != nil {
			t.Fatal(err)
		}
		if len(entries) == 0 {
			break
		}
		for _, e := range entries {
			got, from = append(got, name(e)), e.id
		}
	}
	if diff := cmp.Diff([]string{"A1", "A2", "not a result", "A3"}, got); diff != "" {
		t.Error(diff)
	}
	if _, err := results.Read(t.Context(), "yesterday", 3); err == nil {
		t.Error("no error for an invalid ID")
	}
}

func TestFollow_OldResultsComeAndThenNewOnes(t *testing.T) {
	t.Parallel()
	rdb := redistest.Start(t).Client(t)
	results := newReader(rdb)
	publish(t, rdb, "A1", "A2")
	c := collector{n: 4}
	err := results.Follow(soon(t), "", func(e entry) error {
		if name(e) == "A2" {
			publish(t, rdb, "A3", "A4") // while it is reading
		}
		return c.take(e)
	})
	if diff := cmp.Diff([]string{"A1", "A2", "A3", "A4"}, c.seen); diff != "" || !errors.Is(err, errEnough) {
		t.Error(err, diff)
	}
	publish(t, rdb, "A5")
	c.n = 5
	if err := results.Follow(soon(t), c.last, c.take); !errors.Is(err, errEnough) || c.seen[4] != "A5" {
		t.Errorf("continuing after the last: %v, %v", c.seen, err)
	}
}

func TestFollow_OnlyNewResultsComeFromTheEnd(t *testing.T) {
	t.Parallel()
	for _, old := range [][]string{nil, {"A1"}} {
		rdb := redistest.Start(t).Client(t)
		results := newReader(rdb)
		publish(t, rdb, old...)
		rdb.AddHook(publishBefore{t: t, command: "xread", publish: func() { publish(t, rdb, "A2") }, done: new(bool)})
		c := collector{n: 1}
		if err := results.Follow(soon(t), "$", c.take); !errors.Is(err, errEnough) {
			t.Fatal(err)
		}
		if diff := cmp.Diff([]string{"A2"}, c.seen); diff != "" {
			t.Errorf("old %v:\n%s", old, diff)
		}
	}
}

// publishBefore does something before a command is sent for the first time.
type publishBefore struct {
	t       *testing.T
	command string
	publish func()
	done    *bool
}

func (h publishBefore) DialHook(next redis.DialHook) redis.DialHook { return next }
func (h publishBefore) ProcessHook(next redis.ProcessHook) redis.ProcessHook {
	return func(ctx context.Context, cmd redis.Cmder) error {
		if cmd.Name() == h.command && !*h.done {
			*h.done = true
			h.publish()
		}
		return next(ctx, cmd)
	}
}
func (h publishBefore) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return next
}

func TestReader_FollowAndConsumeEndWithTheirContext(t *testing.T) {
	t.Parallel()
	for reader, read := range map[string]func(context.Context, *Reader[entry], func(entry) error) error{
		"Follow": func(ctx context.Context, r *Reader[entry], fn func(entry) error) error { return r.Follow(ctx, "", fn) },
		"Consume": func(ctx context.Context, r *Reader[entry], fn func(entry) error) error {
			return r.Consume(ctx, "g", "c", fn)
		},
	} {
		rdb := redistest.Start(t).Client(t)
		ctx, cancel := context.WithCancel(soon(t))
		// The context ends while a read blocks: the hook sees the command.
		rdb.AddHook(publishBefore{t: t, command: map[string]string{"Follow": "xread", "Consume": "xreadgroup"}[reader], publish: cancel, done: new(bool)})
		err := read(ctx, newReader(rdb), func(entry) error { return nil })
		if !errors.Is(err, context.Canceled) {
			t.Errorf("%s: %v", reader, err)
		}
	}
}

func TestReader_ReadFollowAndConsumeTellThatRedisFailed(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	rdb := redis.NewClient(&redis.Options{Network: "unix", Addr: server.Socket, MaxRetries: -1})
	defer rdb.Close()
	results := newReader(rdb)
	kill := func(entry) error { server.Kill(); return nil }
	for reader, read := range map[string]func() error{
		"Follow":  func() error { return results.Follow(soon(t), "", kill) },
		"Consume": func() error { return results.Consume(soon(t), "g", "c", kill) },
		"Read":    func() error { server.Kill(); _, err := results.Read(t.Context(), "", 1); return err },
	} {
		publish(t, rdb, "A1")
		if err := read(); err == nil || errors.Is(err, redis.Nil) {
			t.Errorf("%s: %v", reader, err)
		}
		server.Boot(t)
	}
}

// consume runs a consumer until it has n entries, all of them acknowledged.
func consume(t *testing.T, results *Reader[entry], consumer string, n int) []string {
	t.Helper()
	ctx, cancel := context.WithCancel(soon(t))
	c := collector{}
	err := results.Consume(ctx, "g", consumer, func(e entry) error {
		c.take(e)
		if len(c.seen) == n {
			cancel()
		}
		return nil
	})
	if !errors.Is(err, context.Canceled) {
		t.Fatal(err)
	}
	return c.seen
}

// unread returns how many entries the group has read and not acknowledged.
func unread(t *testing.T, rdb redis.UniversalClient) int64 {
	t.Helper()
	p, err := rdb.XPending(t.Context(), stream, "g").Result()
	if err != nil {
		t.Fatal(err)
	}
	return p.Count
}

func TestConsume_ConsumersOfAGroupShareTheResults(t *testing.T) {
	t.Parallel()
	rdb := redistest.Start(t).Client(t)
	results := newReader(rdb)
	var want []string
	for i := range 3*consumeCount + 1 {
		want = append(want, fmt.Sprint("A", i))
	}
	publish(t, rdb, want...)
	got := consume(t, results, "c1", consumeCount)
	got = append(got, consume(t, results, "c2", 2*consumeCount+1)...)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if n := unread(t, rdb); n != 0 {
		t.Errorf("%d not acknowledged", n)
	}
}

func TestConsume_AnEntryComesAgainUntilItIsAcknowledged(t *testing.T) {
	t.Parallel()
	rdb := redistest.Start(t).Client(t)
	results := newReader(rdb)
	publish(t, rdb, "A1", "A2", "A3")
	for range 2 { // A1 is acknowledged the first time, A2 never
		c := collector{}
		err := results.Consume(soon(t), "g", "c1", func(e entry) error {
			c.take(e)
			if name(e) == "A2" {
				return errEnough
			}
			return nil
		})
		if !errors.Is(err, errEnough) || c.seen[len(c.seen)-1] != "A2" {
			t.Fatal(c.seen, err)
		}
	}
	if n := unread(t, rdb); n != 2 {
		t.Errorf("%d not acknowledged, want A2 and A3", n)
	}
	if diff := cmp.Diff([]string{"A2", "A3"}, consume(t, results, "c1", 2)); diff != "" {
		t.Error(diff)
	}
}

func TestConsume_EntriesOfADeadConsumerAreTakenOver(t *testing.T) {
	t.Parallel()
	rdb := redistest.Start(t).Client(t)
	results := newReader(rdb)
	publish(t, rdb, "A1", "A2", "A3")
	if err := results.Consume(soon(t), "g", "dead", func(entry) error { return errEnough }); !errors.Is(err, errEnough) {
		t.Fatal(err)
	}
	// The dead consumer has had A1 and A2 for more than a minute, A3 for less.
	all, err := results.Read(t.Context(), "", 3)
	if err != nil {
		t.Fatal(err)
	}
	for i, idle := range []int64{61_000, 61_000, 30_000} {
		err := rdb.Do(t.Context(), "XCLAIM", stream, "g", "dead", 0, all[i].id, "IDLE", idle).Err()
		if err != nil {
			t.Fatal(err)
		}
	}
	publish(t, rdb, "A4")
	if diff := cmp.Diff([]string{"A1", "A2", "A4"}, consume(t, results, "alive", 3)); diff != "" {
		t.Error(diff)
	}
	if n := unread(t, rdb); n != 1 {
		t.Errorf("%d not acknowledged, want A3", n)
	}
}

// With hold 0, every entry of a batch but the first counts as held too long. Meanwhile another
// consumer takes one over, so that this one must not handle it.
func TestConsume_EntriesHeldTooLongAreReadAnew(t *testing.T) {
	t.Parallel()
	rdb := redistest.Start(t).Client(t)
	results := newReader(rdb)
	results.hold = 0
	publish(t, rdb, "A1", "A2", "A3")
	all, err := results.Read(t.Context(), "", 3)
	redistest.OK(t, err)
	ctx, cancel := context.WithCancel(soon(t))
	c := collector{}
	err = results.Consume(ctx, "g", "c1", func(e entry) error {
		c.take(e)
		switch name(e) {
		case "A1":
			return rdb.Do(ctx, "XCLAIM", stream, "g", "c2", 0, all[1].id).Err()
		case "A3":
			cancel()
		}
		return nil
	})
	if diff := cmp.Diff([]string{"A1", "A3"}, c.seen); diff != "" || !errors.Is(err, context.Canceled) {
		t.Error(err, diff)
	}
	if n := unread(t, rdb); n != 1 {
		t.Errorf("%d not acknowledged, want A2", n)
	}
}

// A group that vanishes is created again, and everything in the stream comes again. The stream may
// vanish too, also while Consume waits for results.
func TestConsume_MakesAVanishedGroupAgain(t *testing.T) {
	t.Parallel()
	rdb := redistest.Start(t).Client(t)
	publish(t, rdb, "A1", "A2")
	var again []string
	c := collector{n: 6}
	err := newReader(rdb).OnNewGroup(func(group string) { again = append(again, group) }).
		Consume(soon(t), "g", "c", func(e entry) error {
			switch len(c.seen) {
			case 1:
				redistest.OK(t, rdb.XGroupDestroy(t.Context(), stream, "g").Err())
			case 3:
				redistest.OK(t, rdb.FlushAll(t.Context()).Err())
				publish(t, rdb, "A3", "A4")
			}
			return c.take(e)
		})
	if diff := cmp.Diff([]string{"A1", "A2", "A1", "A2", "A3", "A4"}, c.seen); diff != "" || !errors.Is(err, errEnough) {
		t.Error(err, diff)
	}
	if diff := cmp.Diff([]string{"g", "g"}, again); diff != "" {
		t.Error(diff)
	}
}

func TestConsume_EntriesThatAreNoResultsCanBeSetAside(t *testing.T) {
	t.Parallel()
	rdb := redistest.Start(t).Client(t)
	results := newReader(rdb)
	junk(t, rdb)
	publish(t, rdb, "A1", "A2")
	if err := results.Consume(soon(t), "g", "c1", func(entry) error { return errEnough }); !errors.Is(err, errEnough) {
		t.Fatal(err)
	}
	all, err := results.Read(t.Context(), "", 3)
	if err != nil {
		t.Fatal(err)
	}
	rdb.XDel(t.Context(), stream, all[1].id) // trimmed after we have read it
	if diff := cmp.Diff([]string{"not a result", "not a result", "A2"}, consume(t, results, "c1", 3)); diff != "" {
		t.Error(diff)
	}
	if n := unread(t, rdb); n != 0 {
		t.Errorf("%d not acknowledged", n)
	}
}

func TestDrain_EndsWhenTheGroupHasReadWhatWasThere(t *testing.T) {
	t.Parallel()
	rdb := redistest.Start(t).Client(t)
	results := newReader(rdb)
	drain := func(consumer string, fn func(entry)) (names []string) {
		t.Helper()
		err := results.Drain(soon(t), "g", consumer, func(e entry) error {
			names = append(names, name(e))
			fn(e)
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		return names
	}
	nothing := func(entry) {}
	if got := drain("c1", nothing); len(got) != 0 {
		t.Errorf("an empty stream: %v", got)
	}
	var all []string
	for i := range 3 * consumeCount {
		all = append(all, fmt.Sprint("A", i))
	}
	publish(t, rdb, all...)
	more := 0
	got := drain("c1", func(entry) { more++; publish(t, rdb, fmt.Sprint("B", more)) }) // as fast as it is read
	if len(got) < len(all) || len(got) >= len(all)+consumeCount {
		t.Errorf("%d entries, want the %d that were there when it began", len(got), len(all))
	}
	if n := unread(t, rdb); n != 0 {
		t.Errorf("%d not acknowledged", n)
	}
	rest := drain("c1", nothing)
	if len(got)+len(rest) != len(all)+more {
		t.Errorf("%d and then %d entries of %d", len(got), len(rest), len(all)+more)
	}
}

func TestDrain_TakesOverTheEntriesOfADeadConsumer(t *testing.T) {
	t.Parallel()
	rdb := redistest.Start(t).Client(t)
	results := newReader(rdb)
	publish(t, rdb, "A1", "A2")
	if err := results.Consume(soon(t), "g", "dead", func(entry) error { return errEnough }); !errors.Is(err, errEnough) {
		t.Fatal(err)
	}
	drained := func(consumer string) []string {
		t.Helper()
		var c collector
		if err := results.Drain(soon(t), "g", consumer, c.take); err != nil {
			t.Fatal(err)
		}
		return c.seen
	}
	if got := drained("early"); len(got) != 0 {
		t.Errorf("taken from a consumer that may be alive: %v", got)
	}
	all, err := results.Read(t.Context(), "", 2) // A1 for longer than a minute, A2 for less
	redistest.OK(t, err)
	rdb.Do(t.Context(), "XCLAIM", stream, "g", "dead", 0, all[0].id, "IDLE", 61_000)
	if diff := cmp.Diff([]string{"A1"}, drained("alive")); diff != "" {
		t.Error(diff)
	}
}
