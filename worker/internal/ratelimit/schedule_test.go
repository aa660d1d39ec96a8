package ratelimit

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"pgregory.net/rapid"

	"github.com/qfpay-worker/qfpay-worker/internal/redistest"
	"github.com/qfpay-worker/qfpay-worker/tasks"
	"github.com/qfpay-worker/qfpay-worker/worker/internal/timing"
)

// someLog draws what a limiter may have in Redis at a moment.
func someLog(t *rapid.T, now float64) Log {
	ago := rapid.Float64Range(0, us(70*time.Second))
	draw := func(name string) (calls []float64) {
		for _, a := range rapid.SliceOfN(ago, 0, 30).Draw(t, name) {
			calls = append(calls, math.Floor(now-a))
		}
		slices.Sort(calls)
		return slices.Compact(calls)
	}
	log := Log{Now: now, Calls: draw("bulk")}
	if len(log.Calls) > 0 {
		log.Bulk = log.Calls[len(log.Calls)-1]
	}
	if rapid.Bool().Draw(t, "doubt") {
		log.Doubt = math.Floor(now + us(5*time.Second) - ago.Draw(t, "paid"))
	}
	if rapid.Bool().Draw(t, "contended") {
		log.Interactive = draw("interactive")
		log.Calls = slices.Concat(log.Calls, log.Interactive)
		slices.Sort(log.Calls)
		log.Calls = slices.Compact(log.Calls)
	}
	if rapid.IntRange(0, 3).Draw(t, "a 429") == 0 {
		log.Factor = float64(rapid.IntRange(50, 999).Draw(t, "factor"))
		log.FactorAt = math.Floor(now - ago.Draw(t, "since"))
		log.Pause = log.FactorAt + us(10*time.Second)
	}
	return log
}

func someLimits(t *rapid.T) Limits {
	l := Limits{AppCode: "APP", PerSecond: rapid.IntRange(0, 30).Draw(t, "a second"), PerMinute: rapid.IntRange(0, 60).Draw(t, "a minute")}
	if l.PerSecond == 0 && l.PerMinute == 0 {
		l.PerMinute = 1
	}
	return l
}

// The scripts with a clock of their own, so that minutes pass at once.
var onClock, reserveOnClock = scriptOnClock("dispatch"), scriptOnClock("reserve")

func scriptOnClock(name string) *redis.Script {
	var src strings.Builder
	for _, name := range []string{"limits", name} {
		b, err := luaFiles.ReadFile("lua/" + name + ".lua")
		if err != nil {
			panic(err)
		}
		src.Write(b)
	}
	return redis.NewScript(strings.Replace(src.String(), `redis.call("TIME")`, `redis.call("LRANGE", "clock", 0, 1)`, 1))
}

// began is when their clock begins.
const began = 1_800_000_000_000_000

// The schedule says of each waiting order when it is dispatched, to the microsecond.
func TestSchedule_IsWhatIsDispatched(t *testing.T) {
	t.Parallel()
	rdb := redistest.Start(t).Client(t)
	ctx := t.Context()
	rapid.Check(t, func(t *rapid.T) {
		rdb.FlushDB(ctx)
		limits, log := someLimits(t), someLog(t, began)
		l := New(Config{Redis: rdb, Keys: tasks.Keys{Prefix: tasks.DefaultPrefix}, Limits: limits})
		for key, calls := range map[string][]float64{l.keys[0]: log.Calls, l.keys[1]: log.Interactive} {
			for i, at := range calls {
				rdb.ZAdd(ctx, key, redis.Z{Score: at, Member: fmt.Sprint("before", i)})
			}
		}
		for field, at := range map[string]float64{"bulk": log.Bulk, "doubt": log.Doubt, "pause": log.Pause, "rate_factor": log.Factor, "factor_at": log.FactorAt} {
			if at != 0 {
				rdb.HSet(ctx, l.keys[2], field, fmt.Sprintf("%.0f", at))
			}
		}
		s, want := NewSchedule(limits, log), []string{}
		n := 0
		for _, c := range []Class{Interactive, Bulk} {
			for range rapid.IntRange(0, 40).Draw(t, "orders") {
				id := fmt.Sprintf("%d:%03d", c, n)
				n++
				rdb.ZAdd(ctx, l.Queue(c, laneOf(c)).Key, redis.Z{Score: float64(n), Member: id})
				rdb.ZAdd(ctx, l.Keys.Due(), redis.Z{Score: 1, Member: id})
				want = append(want, fmt.Sprintf("%s after %d µs", id, s.Take(c, 1).Microseconds()))
			}
		}

		read, err := ReadWaiting(ctx, rdb, l.Keys, limits.AppCode, time.UnixMicro(began))
		if err != nil || fmt.Sprint(read.Log) != fmt.Sprint(log) || read.Orders[tasks.Interactive]+read.Orders[tasks.Bulk] != n {
			t.Fatalf("the log is %v, and was read as %v, %v", log, read, err)
		}
		got := []string{}
		for now := int64(began); len(got) < n; {
			rdb.Del(ctx, "clock")
			rdb.RPush(ctx, "clock", now/1e6, now%1e6)
			answer, err := onClock.Run(ctx, rdb, l.dispatch, l.with(limits.AppCode, 1000, 1000, 1000, fmt.Sprint("D", now),
				timing.DispatchAhead.Microseconds(), timing.BulkReserveAhead.Microseconds(), timing.DispatchInterval.Microseconds(),
				timing.ClaimWithin.Milliseconds(), callsInDoubt, joinQuery)...).Slice()
			if err != nil {
				t.Fatal(err)
			}
			for _, row := range answer {
				fields := row.([]any)
				slot := int64(rdb.ZScore(ctx, l.keys[0], fmt.Sprint(fields[1])).Val())
				got = append(got, fmt.Sprintf("%s after %d µs", fields[0], slot-began))
			}
			look := rdb.ZScore(ctx, l.Keys.Waiting(), limits.AppCode).Val()
			now = max(int64(look)*1000, now+1000)
		}
		for i := range want {
			if got[i] != want[i] {
				t.Fatalf("order %d of %d: scheduled is %s, and dispatched was %s\n%v\n%v", i+1, n, want[i], got[i], want, got)
			}
		}
	})
}

// A schedule keeps the limits, never goes back, and goes on evenly behind what it computes.
func TestSchedule_KeepsTheLimits(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		limits := someLimits(t)
		s := NewSchedule(limits, Log{Now: 1_800_000_000_000_000})
		var at []time.Duration
		for range rapid.IntRange(0, 100).Draw(t, "interactive") {
			at = append(at, s.Take(Interactive, 1))
		}
		for range rapid.IntRange(0, 300).Draw(t, "bulk") {
			at = append(at, s.Take(Bulk, 1))
		}
		if !slices.IsSorted(at) {
			t.Fatalf("not in sequence: %v", at)
		}
		for _, w := range []struct {
			limit  int
			window time.Duration
		}{{limits.PerSecond, time.Second}, {limits.PerMinute, time.Minute}} {
			if n := most(at, w.window); w.limit > 0 && n > w.limit {
				t.Fatalf("%d calls within %v, and the limit is %d", n, w.window, w.limit)
			}
		}
		far := s.Take(Bulk, 2*computed)
		if farther := s.Take(Bulk, limits.PerMinute); limits.PerMinute > 0 && farther-far < time.Minute {
			t.Fatalf("a minute's calls take %v", farther-far)
		}
	})
}
