package metrics

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/hibiken/asynq"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/prometheus/common/expfmt"
	"github.com/redis/go-redis/v9"

	"github.com/qfpay-worker/qfpay-worker/internal/redistest"
	"github.com/qfpay-worker/qfpay-worker/tasks"
)

var keys = tasks.Keys{Prefix: tasks.DefaultPrefix}

func read(t *testing.T, rdb redis.UniversalClient) backlog {
	t.Helper()
	b, err := readBacklog(t.Context(), rdb, keys)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// Before the first order there are no keys; that is not an error.
func TestBacklog_AnEmptyRedisHasNone(t *testing.T) {
	t.Parallel()
	b := read(t, redistest.Start(t).Client(t))
	none := laneBacklog{tasks: map[string]int64{"pending": 0, "active": 0, "scheduled": 0, "retry": 0, "archived": 0}}
	want := backlog{
		lanes:    map[tasks.Lane]laneBacklog{tasks.Interactive: none, tasks.Bulk: none},
		results:  streamBacklog{unread: map[string]int64{}, oldest: map[string]time.Duration{}},
		payments: streamBacklog{unread: map[string]int64{}, oldest: map[string]time.Duration{}},
	}
	b.redis = health{} // never empty
	if diff := cmp.Diff(want, b, cmp.AllowUnexported(backlog{}, laneBacklog{}, streamBacklog{}, health{})); diff != "" {
		t.Errorf("backlog (-want +got):\n%s", diff)
	}
}

// The keys belong to asynq, so the numbers must be those that asynq reports. A new version of
// asynq with other keys fails here.
func TestBacklog_QueuesAreCountedAsAsynqCountsThem(t *testing.T) {
	t.Parallel()
	rdb := redistest.Start(t).Client(t)
	queue := keys.Queue(tasks.Bulk)
	inEveryState(t, rdb, queue)
	since := time.Now().Add(-time.Hour) // the first pending task has waited for an hour
	rdb.HSet(t.Context(), "asynq:{"+queue+"}:t:waits 0", "pending_since", since.UnixNano())

	got := read(t, rdb).lanes[tasks.Bulk]

	info, err := asynq.NewInspectorFromRedisClient(rdb).GetQueueInfo(queue)
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]int64{
		"pending": int64(info.Pending), "active": int64(info.Active), "scheduled": int64(info.Scheduled),
		"retry": int64(info.Retry), "archived": int64(info.Archived),
	}
	if diff := cmp.Diff(want, got.tasks); diff != "" {
		t.Errorf("tasks by state (-asynq +ours):\n%s", diff)
	}
	if diff := cmp.Diff(map[string]int64{"pending": 3, "active": 1, "scheduled": 2, "retry": 1, "archived": 1}, got.tasks); diff != "" {
		t.Errorf("tasks by state (-put there +ours):\n%s", diff)
	}
	if got.oldest < time.Hour || got.oldest > time.Since(since) {
		t.Errorf("the oldest has waited for %s, want an hour", got.oldest)
	}
	if other := read(t, rdb).lanes[tasks.Interactive]; other.tasks["pending"] != 0 || other.oldest != 0 {
		t.Errorf("the other lane has %+v", other)
	}
}

// inEveryState leaves tasks in every state of asynq: 3 pending, 1 active,
// 2 scheduled, 1 to be retried, 1 archived.
func inEveryState(t *testing.T, rdb *redis.Client, queue string) {
	t.Helper()
	client := asynq.NewClientFromRedisClient(rdb)
	put := func(id string, o ...asynq.Option) {
		t.Helper()
		o = append(o, asynq.Queue(queue), asynq.TaskID(id))
		if _, err := client.Enqueue(asynq.NewTask("test", nil), o...); err != nil {
			t.Fatal(err)
		}
	}
	put("fails", asynq.MaxRetry(9))
	put("stays")
	put("later 1", asynq.ProcessIn(time.Hour))
	put("later 2", asynq.ProcessIn(time.Hour))
	put("archived", asynq.ProcessIn(time.Hour))
	if err := asynq.NewInspectorFromRedisClient(rdb).ArchiveTask(queue, "archived"); err != nil {
		t.Fatal(err)
	}
	activate(t, rdb, queue)
	for i := range 3 {
		put(fmt.Sprint("waits ", i))
	}
}

// activate runs a server with concurrency one: the first task fails and is scheduled for a
// retry before the second begins, which stays active until the test ends.
func activate(t *testing.T, rdb *redis.Client, queue string) {
	t.Helper()
	active, end := make(chan struct{}), make(chan struct{})
	server := asynq.NewServerFromRedisClient(rdb, asynq.Config{
		Concurrency: 1, Queues: map[string]int{queue: 1}, LogLevel: asynq.FatalLevel,
		TaskCheckInterval: 5 * time.Millisecond,
		RetryDelayFunc:    func(int, error, *asynq.Task) time.Duration { return time.Hour },
	})
	err := server.Start(asynq.HandlerFunc(func(_ context.Context, task *asynq.Task) error {
		if task.ResultWriter().TaskID() == "fails" {
			return errors.New("as it should")
		}
		close(active)
		<-end
		return nil
	}))
	if err != nil {
		t.Fatal(err)
	}
	<-active
	server.Stop() // takes no more tasks
	t.Cleanup(func() { close(end); server.Shutdown() })
}

func TestBacklog_OrdersWithoutAResultAreCountedAndTheMostOverdueIsSeen(t *testing.T) {
	t.Parallel()
	rdb := redistest.Start(t).Client(t)
	ctx := t.Context()
	began := time.Now()
	rdb.ZAdd(ctx, keys.Due(),
		redis.Z{Member: "default:1", Score: float64(began.Add(-time.Minute).UnixMilli())},
		redis.Z{Member: "default:2", Score: float64(began.Add(time.Hour).UnixMilli())})
	b := read(t, rdb)
	if b.unsettled != 2 {
		t.Errorf("%d orders without a result, want 2", b.unsettled)
	}
	if b.late < time.Minute || b.late > time.Minute+time.Since(began)+time.Millisecond {
		t.Errorf("late by %s, want one minute", b.late)
	}
	rdb.ZAdd(ctx, keys.Scheduled(), redis.Z{Member: "default:2", Score: float64(began.Add(time.Hour).UnixMilli())},
		redis.Z{Member: "default:1", Score: float64(began.Add(-time.Minute).UnixMilli())})
	if b := read(t, rdb); b.unsettled != 1 || b.scheduled != 1 {
		t.Errorf("%d orders without a result, %d scheduled, want 1 each", b.unsettled, b.scheduled)
	}
	rdb.ZRem(ctx, keys.Due(), "default:1")
	if b := read(t, rdb); b.late != 0 {
		t.Errorf("late by %s although nothing is due", b.late)
	}
}

func TestBacklog_EntriesThatAGroupHasNotAcknowledgedAreUnread(t *testing.T) {
	t.Parallel()
	rdb := redistest.Start(t).Client(t)
	ctx := t.Context()
	for stream, of := range map[string]func(backlog) streamBacklog{
		keys.Results():  func(b backlog) streamBacklog { return b.results },
		keys.Payments(): func(b backlog) streamBacklog { return b.payments },
	} {
		var ids []string
		for i := range 5 {
			ids = append(ids, rdb.XAdd(ctx, &redis.XAddArgs{Stream: stream, Values: []any{"v", i}}).Val())
		}
		rdb.XGroupCreate(ctx, stream, "reads", "0")
		rdb.XGroupCreate(ctx, stream, "sleeps", "0")
		rdb.XGroupCreate(ctx, stream, "new", "$")
		rdb.XReadGroup(ctx, &redis.XReadGroupArgs{Group: "reads", Consumer: "c", Streams: []string{stream, ">"}, Count: 3})
		rdb.XAck(ctx, stream, "reads", ids[0])

		s := of(read(t, rdb))
		// "reads" has 2 entries to read, and 2 that it read and did not acknowledge
		if diff := cmp.Diff(map[string]int64{"reads": 4, "sleeps": 5, "new": 0}, s.unread); diff != "" || s.length != 5 {
			t.Errorf("%s: %d entries, unread (-want +got):\n%s", stream, s.length, diff)
		}

		// After an entry ahead of "reads" was deleted, Redis does not know how far behind it is.
		rdb.XDel(ctx, stream, ids[4])
		if s := of(read(t, rdb)); s.unread["reads"] != 4 {
			t.Errorf("%s: unread is %d although Redis does not know, want all 4 of the stream", stream, s.unread["reads"])
		}
	}
}

func TestBacklog_TheOldestRequestHasAnAge(t *testing.T) {
	t.Parallel()
	rdb := redistest.Start(t).Client(t)
	ctx := t.Context()
	now := rdb.Time(ctx).Val()
	for _, ago := range []time.Duration{time.Hour, time.Minute} {
		rdb.XAdd(ctx, &redis.XAddArgs{Stream: keys.Requests(), ID: redisID(now.Add(-ago)), Values: []any{"order", "{}"}})
	}
	if b := read(t, rdb); b.requests != 2 || b.asked < time.Hour || b.asked > time.Hour+time.Minute {
		t.Errorf("%d requests, the oldest has waited for %s; want 2 and an hour", b.requests, b.asked)
	}
	// A worker deletes requests in the sequence of their acceptance.
	rdb.XDel(ctx, keys.Requests(), redisID(now.Add(-time.Hour)))
	if b := read(t, rdb); b.asked < time.Minute || b.asked > 2*time.Minute {
		t.Errorf("the oldest has waited for %s, want a minute", b.asked)
	}
	rdb.XDel(ctx, keys.Requests(), redisID(now.Add(-time.Minute)))
	if b := read(t, rdb); b.asked != 0 {
		t.Errorf("the oldest has waited for %s although there is none", b.asked)
	}
}

// A key of another type is a mistake; then the other numbers could be wrong too.
func TestBacklog_AKeyOfAnotherTypeFailsTheReading(t *testing.T) {
	t.Parallel()
	rdb := redistest.Start(t).Client(t)
	rdb.Set(t.Context(), keys.Due(), "x", 0)
	if b, err := readBacklog(t.Context(), rdb, keys); err == nil {
		t.Errorf("no error, but %+v", b)
	}
}

// asynq's keys need rights of their own, and in a Cluster they are on other nodes. When they cannot be
// read, the orders that wait are still shown, and the failure is counted.
func TestBacklog_IsShownWithoutAQueueThatCannotBeRead(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	server.Do(t, "acl", "setuser", "app", "on", ">secret", "~{qfpay}:*", "~asynq:{qfpay:bulk}:*", "&*", "+@all")
	rdb := redis.NewClient(&redis.Options{Network: "unix", Addr: server.Socket, Username: "app", Password: "secret"})
	t.Cleanup(func() { rdb.Close() })
	rdb.ZAdd(t.Context(), keys.Due(), redis.Z{Member: "default:1", Score: 1})
	b := read(t, rdb)
	if _, is := b.lanes[tasks.Bulk]; b.unsettled != 1 || b.late == 0 || len(b.lanes) != 1 || !is || b.missing == nil {
		t.Errorf("%+v", b)
	}
	m, _ := newMetrics(t)
	q := m.queues(func(ctx context.Context) (backlog, error) { return readBacklog(ctx, rdb, keys) }, 5*time.Second)
	if n := testutil.CollectAndCount(q, "qfpay_orders_unsettled"); n != 1 {
		t.Error("orders without a result are not shown")
	}
	if n := testutil.ToFloat64(m.redisFailures.WithLabelValues(opScrape)); n != 1 {
		t.Errorf("%v failed scrapes are counted", n)
	}
}

func TestBacklog_APausedQueueIsShown(t *testing.T) {
	t.Parallel()
	rdb := redistest.Start(t).Client(t)
	if err := asynq.NewInspectorFromRedisClient(rdb).PauseQueue(keys.Queue(tasks.Bulk)); err != nil {
		t.Fatal(err)
	}
	if b := read(t, rdb); !b.lanes[tasks.Bulk].paused || b.lanes[tasks.Interactive].paused {
		t.Errorf("%+v", b.lanes)
	}
}

func TestBacklog_OrdersThatWerePutAsideAreCounted(t *testing.T) {
	t.Parallel()
	rdb := redistest.Start(t).Client(t)
	rdb.ZAdd(t.Context(), keys.Damaged(), redis.Z{Member: "default:1", Score: 1})
	if b := read(t, rdb); b.damaged != 1 || b.unsettled != 0 {
		t.Errorf("%+v", b)
	}
}

func TestBacklog_PublishedCodesThatAreToBeClosedAreCounted(t *testing.T) {
	t.Parallel()
	rdb := redistest.Start(t).Client(t)
	if b := read(t, rdb); b.closing != 0 || b.closingLate != 0 {
		t.Errorf("%d late by %s, and there is none", b.closing, b.closingLate)
	}
	rdb.ZAdd(t.Context(), keys.Closing(), redis.Z{Member: "default:1", Score: float64(time.Now().Add(-time.Minute).UnixMilli())},
		redis.Z{Member: "default:2", Score: float64(time.Now().Add(time.Hour).UnixMilli())})
	if b := read(t, rdb); b.closing != 2 || b.closingLate < 59*time.Second || b.closingLate > 10*time.Minute {
		t.Errorf("%d late by %s, want 2 by a minute", b.closing, b.closingLate)
	}
}

// Whatever stands in the hash, a scrape does not fail for it.
func TestBacklog_PausesByHandAreShown(t *testing.T) {
	t.Parallel()
	rdb := redistest.Start(t).Client(t)
	rdb.HSet(t.Context(), keys.Paused(), "shop", "{}", "shop:800201", "x", "shop:123", "", "\xff", "")
	m := New(prometheus.NewRegistry(), BuildInfo{}, []string{"default"})
	got, err := testutil.CollectAndFormat(m.Queues(rdb, keys, 10*time.Second), expfmt.TypeTextPlain, "qfpay_merchant_paused")
	want := "qfpay_merchant_paused{merchant=\"shop\",pay_type=\"\"} 1\nqfpay_merchant_paused{merchant=\"shop\",pay_type=\"800201\"} 1\n"
	if err != nil || !strings.HasSuffix(string(got), "gauge\n"+want) {
		t.Errorf("%s\n%v", got, err)
	}
}

func TestBacklog_MerchantsThatNoWorkerHasAreCounted(t *testing.T) {
	t.Parallel()
	rdb := redistest.Start(t).Client(t)
	rdb.ZAdd(t.Context(), keys.UnknownMerchants(), redis.Z{Member: "shop-x", Score: 1}, redis.Z{Member: "shop-y", Score: 1})
	if b := read(t, rdb); b.unknown != 2 {
		t.Errorf("%+v", b)
	}
}

// The cost of a scrape must not grow with the backlog.
func TestBacklog_AScrapeIsOneRoundTripAtAnyLength(t *testing.T) {
	t.Parallel()
	rdb := redistest.Start(t).Client(t)
	read(t, rdb) // connects, which takes round trips of its own
	count := &roundTrips{}
	rdb.AddHook(count)
	read(t, rdb)
	empty := *count

	fill(t, rdb, 2000)
	*count = roundTrips{}
	if b := read(t, rdb); b.unsettled != 2000 || b.lanes[tasks.Bulk].tasks["pending"] != 2000 {
		t.Fatalf("the backlog is not as filled: %+v", b)
	}
	if diff := cmp.Diff(empty, *count, cmp.AllowUnexported(roundTrips{})); diff != "" {
		t.Errorf("round trips (-empty +full):\n%s", diff)
	}
	if want := (roundTrips{pipelines: 1, commands: 27}); *count != want {
		t.Errorf("a scrape took %+v, want %+v", *count, want)
	}
}

func fill(t *testing.T, rdb *redis.Client, n int) {
	t.Helper()
	pipe := rdb.Pipeline()
	for i := range n {
		pipe.LPush(t.Context(), "asynq:{qfpay:bulk}:pending", i)
		pipe.ZAdd(t.Context(), keys.Due(), redis.Z{Member: i, Score: float64(i)})
		pipe.XAdd(t.Context(), &redis.XAddArgs{Stream: keys.Results(), Values: []any{"v", i}})
		pipe.XAdd(t.Context(), &redis.XAddArgs{Stream: keys.Requests(), Values: []any{"order", i}})
	}
	if _, err := pipe.Exec(t.Context()); err != nil {
		t.Fatal(err)
	}
}

// roundTrips counts the commands and pipelines of a client.
type roundTrips struct{ single, pipelines, commands int }

func (r *roundTrips) DialHook(next redis.DialHook) redis.DialHook {
	return func(ctx context.Context, network, addr string) (net.Conn, error) { return next(ctx, network, addr) }
}

func (r *roundTrips) ProcessHook(next redis.ProcessHook) redis.ProcessHook {
	return func(ctx context.Context, cmd redis.Cmder) error { r.single++; return next(ctx, cmd) }
}

func (r *roundTrips) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return func(ctx context.Context, cmds []redis.Cmder) error {
		r.pipelines++
		r.commands += len(cmds)
		return next(ctx, cmds)
	}
}
