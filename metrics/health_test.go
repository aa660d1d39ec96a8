package metrics

import (
	"context"
	"strconv"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"
	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/redis/go-redis/v9"

	"github.com/qfpay-worker/qfpay-worker/internal/redisserver"
	"github.com/qfpay-worker/qfpay-worker/internal/redistest"
	"github.com/qfpay-worker/qfpay-worker/tasks"
)

func TestHealth_RedisSaysHowItFares(t *testing.T) {
	t.Parallel()
	rdb := redistest.Start(t, "--appendonly", "yes", "--maxmemory", "512mb", "--maxmemory-policy", "allkeys-lru").Client(t)
	got := read(t, rdb).redis
	if used := got.values["used_memory"]; used < 100_000 || used > 512<<20 {
		t.Errorf("it uses %v bytes", used)
	}
	delete(got.values, "used_memory")
	want := map[string]float64{"maxmemory": 512 << 20, "evicted_keys": 0, "aof_enabled": 1, "aof_last_write_status": 1}
	if diff := cmp.Diff(want, got.values); diff != "" {
		t.Errorf("INFO (-want +got):\n%s", diff)
	}

	rdb.ConfigSet(t.Context(), "maxmemory", "2mb")
	filler := make([]byte, 64<<10)
	for i := range 64 { // twice the memory
		rdb.Set(t.Context(), "filler:"+string(rune('a'+i)), filler, 0)
	}
	if got := read(t, rdb).redis.values["evicted_keys"]; got == 0 {
		t.Error("no key was evicted")
	}
}

// The server's clock is read between two reads of our own. If both are the same clock, the
// offset is at most half of the time between these.
func TestHealth_TheOffsetOfTheClockIsExactToHalfARoundTrip(t *testing.T) {
	t.Parallel()
	rdb := redistest.Start(t).Client(t)
	before := time.Now()
	offset := read(t, rdb).redis.offset
	if trip := time.Since(before); offset.Abs() > trip/2+time.Microsecond {
		t.Errorf("the clock is off by %s after a round trip of %s", offset, trip)
	}

	asked := time.Unix(1000, 0)
	answer := redis.NewCmd(t.Context())
	answer.SetVal([]any{"1000", "500000", ""})
	h := readHealth(answer, asked.Add(3*time.Second), asked.Add(5*time.Second))
	if h.offset != 3500*time.Millisecond {
		t.Errorf("our clock is ahead by %s, want 3.5s", h.offset)
	}
}

// Managed servers may forbid INFO, and the demo has a miniredis. The other numbers must be there
// all the same.
func TestHealth_ARedisThatDoesNotTellDoesNotBreakTheScrape(t *testing.T) {
	t.Parallel()
	restricted := func(rules ...string) redis.UniversalClient {
		server := redistest.Start(t)
		admin := server.Client(t)
		admin.XAdd(t.Context(), &redis.XAddArgs{Stream: keys.Results(), Values: []any{"v", 1}})
		admin.Do(t.Context(), "ACL", "SETUSER", "shop", "on", ">pw", "~*", "+@all")
		for _, rule := range rules {
			if err := admin.Do(t.Context(), "ACL", "SETUSER", "shop", rule).Err(); err != nil {
				t.Fatal(err)
			}
		}
		options := *admin.Options()
		options.Username, options.Password = "shop", "pw"
		rdb := redis.NewClient(&options)
		t.Cleanup(func() { rdb.Close() })
		return rdb
	}
	mini := miniredis.RunT(t)
	plain := redis.NewClient(&redis.Options{Addr: mini.Addr()})
	t.Cleanup(func() { plain.Close() })
	plain.XAdd(t.Context(), &redis.XAddArgs{Stream: keys.Results(), Values: []any{"v", 1}})

	for name, rdb := range map[string]redis.UniversalClient{
		"without INFO": restricted("-info"),
		"miniredis":    plain,
	} {
		t.Run(name, func(t *testing.T) {
			m, _ := newMetrics(t)
			q := m.queues(func(ctx context.Context) (backlog, error) { return readBacklog(ctx, rdb, keys) }, 5*time.Second)
			if n := testutil.CollectAndCount(q, "qfpay_results_length", "qfpay_due_late_seconds"); n != 2 {
				t.Errorf("%d of 2 figures", n)
			}
			if n := testutil.CollectAndCount(q, "qfpay_redis_aof_enabled"); n != 0 {
				t.Error("it shows a value that the server did not report")
			}
			if n := testutil.CollectAndCount(q, "qfpay_redis_clock_offset_seconds"); n != 1 {
				t.Error("its clock is not shown")
			}
		})
	}
}

func TestBacklog_TheOldestUnreadEntryOfEachGroupHasAnAge(t *testing.T) {
	t.Parallel()
	rdb := redistest.Start(t).Client(t)
	ctx := t.Context()
	now := rdb.Time(ctx).Val()
	minutes := func(ago int) string { return redisID(now.Add(-time.Duration(ago) * time.Minute)) }
	for _, ago := range []int{60, 30, 10} {
		rdb.XAdd(ctx, &redis.XAddArgs{Stream: keys.Results(), ID: minutes(ago), Values: []any{"v", 1}})
	}
	for group, from := range map[string]string{"sleeps": "0", "hangs": "0", "behind": "0", "done": "$"} {
		rdb.XGroupCreate(ctx, keys.Results(), group, from)
	}
	take := func(group string, n int64) {
		rdb.XReadGroup(ctx, &redis.XReadGroupArgs{Group: group, Consumer: "c", Streams: []string{keys.Results(), ">"}, Count: n})
	}
	take("hangs", 3) // and acknowledges the first
	rdb.XAck(ctx, keys.Results(), "hangs", minutes(60))
	take("behind", 1)
	rdb.XAck(ctx, keys.Results(), "behind", minutes(60))

	got := read(t, rdb).results.oldest
	for group, want := range map[string]time.Duration{
		"sleeps": time.Hour, "hangs": 30 * time.Minute, "behind": 30 * time.Minute, "done": 0,
	} {
		if off := got[group] - want; off < 0 || off > time.Minute {
			t.Errorf("%s: the oldest has waited %s, want %s", group, got[group], want)
		}
	}
}

func itoa(n int64) string { return strconv.FormatInt(n, 10) }

func redisID(t time.Time) string { return itoa(t.UnixMilli()) + "-0" }

// Any client can create groups; the number that a scrape reads is limited.
func TestBacklog_OnlySoManyGroupsAreLookedAt(t *testing.T) {
	t.Parallel()
	rdb := redistest.Start(t).Client(t)
	rdb.XAdd(t.Context(), &redis.XAddArgs{Stream: keys.Results(), Values: []any{"v", 1}})
	for i := range mostGroups + 5 {
		rdb.XGroupCreate(t.Context(), keys.Results(), itoa(int64(i)), "0")
	}
	b := read(t, rdb).results
	if len(b.oldest) != mostGroups {
		t.Errorf("%d groups, want %d", len(b.oldest), mostGroups)
	}
	for group := range b.oldest { // the same groups in both
		if _, ok := b.unread[group]; !ok || len(b.unread) != mostGroups {
			t.Errorf("%d groups have a number of unread entries, %s has one: %t", len(b.unread), group, ok)
		}
	}
}

// Two shards of a Cluster may be on two servers; each shows the state of its own.
func TestHealth_TheServerOfTheShardIsAskedOnACluster(t *testing.T) {
	t.Parallel()
	rdb := redistest.StartCluster(t, 3).Client(t)
	for i, prefix := range []string{"{a}", "{b}", "{c}"} {
		k := tasks.Keys{Prefix: prefix}
		node, err := redisserver.ForKey(t.Context(), rdb, k.Due())
		if err != nil {
			t.Fatal(err)
		}
		limit := float64((i + 1) << 28)
		node.ConfigSet(t.Context(), "maxmemory", itoa(int64(limit)))
		b, err := readBacklog(t.Context(), rdb, k)
		if err != nil {
			t.Fatal(err)
		}
		if b.redis.values["maxmemory"] != limit {
			t.Errorf("%s: maxmemory is %v, want %v", prefix, b.redis.values["maxmemory"], limit)
		}
	}
}
