package migrate

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/hibiken/asynq"
	"github.com/redis/go-redis/v9"

	"github.com/qfpay-worker/qfpay-worker/internal/redistest"
	"github.com/qfpay-worker/qfpay-worker/tasks"
)

func TestMain(m *testing.M) { redistest.Main(m) }

var keys = tasks.Keys{Prefix: tasks.DefaultPrefix}

func refused(err error) string {
	if r, is := errors.AsType[*Refused](err); is {
		return r.Why
	}
	return fmt.Sprint("not refused: ", err)
}

// old are orders of format 1 in each state, new the same in format 2. What both have is in both.
var (
	old = map[string]string{
		"never:claimed": "state NEW order {} looks 3",
		"m:NEW":         "state NEW number 0 sends 0 first_at 5 attempts 1 waits_for quota absents 0",
		"m:SENT":        "state SENT order {} number 1 sends 2 sender t sent_at 9 first_sent_at 8 first_at 5 attempts 1 absents 1 token t lease_until 99",
		"m:VOIDING":     "state VOIDING order {} number 0 sends 1 first_at 5 attempts 2 retries 1 past unresolved:1-1",
		"m:DONE":        "state DONE number 0 sends 1 first_at 5 outcome unresolved settled_from VOIDING entry 1-1",
		"m:SENT_2":      "state RESERVED reserved_for m:SENT",
	}
	migrated = map[string]string{
		"never:claimed": "state NEW order {} looks 3",
		"m:NEW":         "state NEW reissues 0 creates_sent 0 first_attempt_at 5 attempts 1 deferred_for quota not_found 0",
		"m:SENT":        "state SENT order {} reissues 1 creates_sent 2 sent_by t sent_at 9 first_sent_at 8 first_attempt_at 5 attempts 1 not_found 1",
		"m:VOIDING":     "state CLOSING order {} reissues 0 creates_sent 1 first_attempt_at 5 attempts 2 reopens 1 past_results unresolved:1-1",
		"m:DONE":        "state DONE reissues 0 creates_sent 1 first_attempt_at 5 outcome unresolved settled_from CLOSING entry 1-1",
		"m:SENT_2":      "state RESERVED reserved_for m:SENT",
	}
)

func fill(t *testing.T, rdb *redis.Client, orders map[string]string) {
	t.Helper()
	for id, text := range orders {
		redistest.OK(t, rdb.HSet(t.Context(), keys.Order(id), strings.Fields(text)).Err())
		if !strings.Contains(text, "DONE") && !strings.Contains(text, "RESERVED") {
			redistest.OK(t, rdb.ZAdd(t.Context(), keys.Due(), redis.Z{Score: 1e15, Member: id}).Err())
		}
	}
}

// compare compares the journals in Redis with those wanted.
func compare(t *testing.T, what string, rdb *redis.Client, want map[string]string) {
	t.Helper()
	for id, text := range want {
		fields := map[string]string{}
		words := strings.Fields(text)
		for i := 0; i < len(words); i += 2 {
			fields[words[i]] = words[i+1]
		}
		if diff := cmp.Diff(fields, rdb.HGetAll(t.Context(), keys.Order(id)).Val()); diff != "" {
			t.Errorf("%s: %s (-want +got):\n%s", what, id, diff)
		}
	}
}

func TestMigrate_RewritesEveryStateForwardAndBack(t *testing.T) {
	t.Parallel()
	ctx, rdb := t.Context(), redistest.Start(t).Client(t)
	fill(t, rdb, old)
	fill(t, rdb, map[string]string{"m:aside": "state NEW number 0 sends 0 damaged 3"})
	rdb.ZRem(ctx, keys.Due(), "m:aside")
	rdb.ZAdd(ctx, keys.Damaged(), redis.Z{Score: 1, Member: "m:aside"})
	rdb.ZAdd(ctx, keys.Format(), redis.Z{Score: 1, Member: "APP"}) // of the wait queues of format 1
	rdb.ZAdd(ctx, keys.Calls("APP")+":line:2", redis.Z{Score: 1, Member: "m:NEW"})

	if err := Adopt(ctx, rdb, keys); !strings.Contains(refused(err), "5 orders of an earlier version. Run qfpay-worker migrate") {
		t.Errorf("a worker on format 1: %v", err)
	}
	for n, want := range []int{5, 0} { // a repetition has nothing left to do
		if done, err := Run(ctx, rdb, keys, Forward); err != nil || done.Orders != want {
			t.Errorf("%d: %+v, %v", n, done, err)
		}
	}
	compare(t, "forward", rdb, migrated)
	if n := rdb.ZCount(ctx, keys.Due(), "-inf", "1e14").Val(); n != 4 {
		t.Errorf("%d orders are due, want the four that a worker had claimed", n)
	}
	if rdb.ZCard(ctx, keys.Damaged()).Val() != 0 || rdb.Exists(ctx, keys.Calls("APP")+":line:2").Val() != 0 {
		t.Error("an order stays aside, or a wait queue of format 1 stays")
	}
	redistest.OK(t, Adopt(ctx, rdb, keys))

	if _, err := Run(ctx, rdb, keys, Back); err != nil {
		t.Fatal(err)
	}
	want := map[string]string{}
	for id, text := range old {
		want[id] = strings.TrimSuffix(text, " token t lease_until 99") // a lease is not kept
	}
	compare(t, "back", rdb, want)
	if rdb.Exists(ctx, keys.Format()).Val() != 0 {
		t.Error("format 2 is still said")
	}
}

func TestMigrate_BackIsRefusedForWhatTheEarlierVersionDoesNotKnow(t *testing.T) {
	t.Parallel()
	ctx, rdb := t.Context(), redistest.Start(t).Client(t)
	plain := `{"out_trade_no":"A","pay_type":"801501","pay_tag":"ALIPAYHK","expired_time":5,"txcurrcd":"HKD","goods_name":"Tea珍珠奶茶"}`
	fill(t, rdb, map[string]string{"m:A": "state NEW batch monday", "m:B": "state SENT reissues 0 not_before 7 order " + plain,
		"m:C": "state DONE reissues 0 batch monday", "m:D": "state SENT reissues 0 order " + plain,
		"m:E": `state NEW reissues 0 order {"out_trade_no":"E","goods_name":"Milk-Tea"}`}) // it is rejected there before it is sent
	const sent = "state SENT reissues 0 order "
	for n, order := range []string{`{"out_trade_no":"F","goods_name":"Milk-Tea"}`, `{"out_trade_no":"F","goods_name":"` + strings.Repeat("茶", 21) + `"}`,
		`{"out_trade_no":"` + strings.Repeat("F", 33) + `"}`, `{"out_trade_no":"F","rmb_tag":"Y"}`, `{"out_trade_no":"F","pay_type":"800101","pay_tag":"ALIPAYCN"}`,
		`{"out_trade_no":"F","pay_type":"802001","expired_time":5}`, `{"out_trade_no":"F","pay_type":"800701","txcurrcd":"CNY"}`, `{`} {
		fill(t, rdb, map[string]string{fmt.Sprintf("m:F%d", n): sent + order})
	}
	redistest.OK(t, Adopt(ctx, rdb, keys))
	if _, err := Run(ctx, rdb, keys, Back); !strings.Contains(refused(err), "10 orders without a result") {
		t.Error(err)
	}
	if rdb.HExists(ctx, keys.Order("m:C"), "number").Val() || rdb.Get(ctx, keys.Format()).Val() != Format {
		t.Error("it was refused, and something was changed")
	}
}

func TestAdopt_SaysTheFormatOnceAndRefusesOthers(t *testing.T) {
	t.Parallel()
	ctx, rdb := t.Context(), redistest.Start(t).Client(t)
	fill(t, rdb, map[string]string{"never:claimed": "state NEW order {}"}) // as a producer leaves it
	for range 2 {
		redistest.OK(t, Adopt(ctx, rdb, keys))
	}
	if got := rdb.Get(ctx, keys.Format()).Val(); got != Format {
		t.Errorf("it says %q", got)
	}
	rdb.Set(ctx, keys.Format(), "3", 0)
	for what, do := range map[string]func(context.Context) error{
		"a worker":  func(ctx context.Context) error { return Adopt(ctx, rdb, keys) },
		"migrating": func(ctx context.Context) error { _, err := Run(ctx, rdb, keys, Forward); return err },
	} {
		if why := refused(do(ctx)); !strings.Contains(why, `later version ({qfpay}:lines says "3"`) {
			t.Errorf("%s: %s", what, why)
		}
	}
	rdb.Set(ctx, keys.Format(), underway, 0)
	fill(t, rdb, map[string]string{"m:A": "state NEW number 0"})
	if why := refused(Adopt(ctx, rdb, keys)); !strings.Contains(why, "Run qfpay-worker migrate") {
		t.Errorf("after a migration that broke off: %s", why)
	}
}

func TestMigrate_WaitsForNoWorkerAndIsRefusedWhileOneRuns(t *testing.T) {
	t.Parallel()
	ctx, rdb := t.Context(), redistest.Start(t).Client(t)
	serve := func(queue string) *asynq.Server {
		s := asynq.NewServerFromRedisClient(rdb, asynq.Config{Queues: map[string]int{queue: 1}, LogLevel: asynq.FatalLevel, ShutdownTimeout: time.Second})
		redistest.OK(t, s.Start(asynq.HandlerFunc(func(context.Context, *asynq.Task) error { return nil })))
		return s
	}
	other := serve("mail") // of another program
	if _, err := Run(ctx, rdb, keys, Back); err != nil {
		t.Errorf("another program: %v", err)
	}
	ours := serve(keys.Queue(tasks.Bulk))
	for n := 0; ; n++ { // until it has said that it is there
		servers, err := asynq.NewInspectorFromRedisClient(rdb).Servers()
		redistest.OK(t, err)
		if len(servers) == 2 {
			break
		}
		if time.Sleep(10 * time.Millisecond); n == 1000 {
			t.Fatal("the server does not say that it runs")
		}
	}
	if _, err := Run(ctx, rdb, keys, Forward); !strings.Contains(refused(err), "workers run (") {
		t.Error(err)
	}
	if why := refused(Adopt(ctx, rdb, keys)); !strings.Contains(why, "workers of an earlier version run (") {
		t.Error(why)
	}
	rdb.HSet(ctx, keys.Merchants(), "default", 1) // as a worker of this version does
	if redistest.OK(t, Adopt(ctx, rdb, keys)); rdb.Get(ctx, keys.Format()).Val() != Format {
		t.Error("beside workers of this version, on a Redis that was emptied: the format is not said")
	}
	ours.Shutdown()
	other.Shutdown()
}
