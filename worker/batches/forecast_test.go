package batches

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/qfpay-worker/qfpay-worker/worker/internal/journal"
	"github.com/qfpay-worker/qfpay-worker/worker/internal/ratelimit"
)

func TestForecast_IsWhatTheQuotasAllow(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 3, 2, 4, 0, 0, 0, time.UTC)
	quota := func(app string, perMinute int) journal.Quota {
		return journal.Quota{AppCode: app, PerSecond: 100, PerMinute: perMinute}
	}
	one := map[string]journal.Quota{"a": quota("X", 100)}
	shared := map[string]journal.Quota{"a": quota("X", 100), "b": quota("X", 100), "c": quota("Y", 400)}
	bulk := func(n int) Waits { return Waits{Bulk: n} }
	// after is when the last of so many calls may leave under quota one, the interactive ones first.
	after := func(interactive, bulk int) time.Duration {
		s := ratelimit.NewSchedule(ratelimit.Limits{PerSecond: 100, PerMinute: 100}, ratelimit.Log{})
		s.Take(ratelimit.Interactive, interactive)
		return s.Take(ratelimit.Bulk, bulk)
	}
	used := ratelimit.Log{Now: 1e9}
	for n := range 100 {
		used.Calls = append(used.Calls, 1e9+float64(n-100)*10_000) // the second before, in µs
	}
	ahead := ratelimit.Log{Now: 1e9, Bulk: 1e9 + 290_000}
	for n := range 30 {
		ahead.Calls = append(ahead.Calls, 1e9+float64(n)*10_000)
	}
	type merchants = map[string]Waits
	for _, c := range []struct {
		name      string
		b         Backlog
		orders    merchants
		among     bool
		notBefore time.Time
		want      Forecast // DoneAt and Seconds follow from Takes
	}{
		{"nothing", Backlog{quotas: one}, merchants{}, false, time.Time{}, Forecast{}},
		{"what fits into the minute goes at once", Backlog{quotas: one}, merchants{"a": bulk(80)}, false, time.Time{}, Forecast{Takes: 790 * time.Millisecond}},
		{"unless the minute is used", Backlog{quotas: one, calls: map[string]calls{"X": {log: used}}}, merchants{"a": {Interactive: 80}}, false, time.Time{},
			Forecast{Starts: 59250 * time.Millisecond, Takes: 60040 * time.Millisecond}},
		{"an order that has a slot ahead counts once", Backlog{quotas: one, due: map[string]dueOrders{"a": {soon: 80}}, calls: map[string]calls{"X": {log: ahead}}},
			merchants{"a": bulk(80)}, true, time.Time{}, Forecast{Starts: 10 * time.Millisecond, Takes: 800 * time.Millisecond}},
		{"more takes its minutes", Backlog{quotas: one}, merchants{"a": bulk(980)}, false, time.Time{}, Forecast{Takes: after(0, 980)}},
		{"behind what is due", Backlog{quotas: one, due: map[string]dueOrders{"a": {soon: 98}}}, merchants{"a": bulk(98)}, false, time.Time{},
			Forecast{Starts: after(0, 99), Takes: after(0, 196), Before: 98}},
		{"behind what is queued, which is due later", Backlog{quotas: one, due: map[string]dueOrders{"a": {later: 98}}, calls: map[string]calls{"X": {Waits: bulk(98)}}},
			merchants{"a": bulk(98)}, false, time.Time{}, Forecast{Starts: after(0, 99), Takes: after(0, 196), Before: 98}},
		{"once, however long it is queued", Backlog{quotas: one, due: map[string]dueOrders{"a": {soon: 49, later: 49}}, calls: map[string]calls{"X": {Waits: bulk(98)}}},
			merchants{"a": bulk(98)}, false, time.Time{}, Forecast{Starts: after(0, 99), Takes: after(0, 196), Before: 98}},
		{"not behind what is put off", Backlog{quotas: one, due: map[string]dueOrders{"a": {later: 99}}, calls: map[string]calls{"X": {Waits: bulk(98)}}},
			merchants{"a": bulk(98)}, false, time.Time{}, Forecast{Starts: after(0, 99), Takes: after(0, 196), Before: 98, Later: 1}},
		{"not behind another app_code", Backlog{quotas: shared, due: map[string]dueOrders{"c": {soon: 5000}}}, merchants{"a": bulk(98)}, false, time.Time{},
			Forecast{Takes: after(0, 98)}},
		{"merchants share an app_code", Backlog{quotas: shared, due: map[string]dueOrders{"b": {soon: 98}}}, merchants{"a": bulk(49), "b": bulk(49)}, false, time.Time{},
			Forecast{Starts: after(0, 99), Takes: after(0, 196), Before: 98}},
		{"the slowest app_code counts", Backlog{quotas: shared, due: map[string]dueOrders{"a": {soon: 98}}}, merchants{"a": bulk(98), "c": bulk(300)}, false, time.Time{},
			Forecast{Takes: after(0, 196), Before: 98}},
		{"interactive goes before bulk", Backlog{quotas: one, due: map[string]dueOrders{"a": {soon: 4900}}, calls: map[string]calls{"X": {Waits: Waits{Interactive: 98}}}},
			merchants{"a": {Interactive: 98}}, false, time.Time{}, Forecast{Starts: after(99, 0), Takes: after(196, 0), Before: 98}},
		{"bulk goes behind its own interactive orders", Backlog{quotas: one, due: map[string]dueOrders{"a": {soon: 98}}},
			merchants{"a": {Interactive: 98, Bulk: 98}}, false, time.Time{}, Forecast{Takes: after(98, 196), Before: 98}},
		{"accepted orders are among what waits", Backlog{quotas: one, due: map[string]dueOrders{"a": {soon: 196}}}, merchants{"a": bulk(98)}, true, time.Time{},
			Forecast{Starts: after(0, 99), Takes: after(0, 196), Before: 98}},
		{"and never before their not_before", Backlog{now: now, quotas: one, due: map[string]dueOrders{"a": {later: 98}}}, merchants{"a": bulk(98)}, true, now.Add(time.Hour),
			Forecast{Takes: time.Hour, Later: 98}},
		{"nor sooner when that is over", Backlog{now: now, quotas: one}, merchants{"a": bulk(98)}, true, now.Add(-time.Hour), Forecast{Takes: after(0, 98)}},
		{"without a worker", Backlog{due: map[string]dueOrders{"a": {soon: 100, later: 100}}}, merchants{"a": bulk(100), "b": bulk(1)}, false, time.Time{},
			Forecast{Takes: 3490 * time.Millisecond, Before: 200, Assumed: []string{"a", "b"}}},
		{"only a limit a second", Backlog{quotas: map[string]journal.Quota{"a": {PerSecond: 10}}}, merchants{"a": bulk(8010)}, false, time.Time{},
			Forecast{Takes: 800*1250*time.Millisecond + 90*time.Millisecond}},
		{"no limit", Backlog{quotas: map[string]journal.Quota{"a": {}}}, merchants{"a": bulk(5880)}, false, time.Time{}, Forecast{}},
	} {
		got := c.b.forecast(c.orders, c.among, c.notBefore)
		if got.DoneAt.Sub(c.b.now.Add(got.Takes)).Abs() > time.Second || got.Seconds < int64(got.Takes/time.Second) {
			t.Errorf("%s: takes %v and ends %v after now, in %d s", c.name, got.Takes, got.DoneAt.Sub(c.b.now), got.Seconds)
		}
		got.DoneAt, got.Seconds = time.Time{}, 0
		got.Starts, got.Takes = got.Starts.Round(time.Millisecond), got.Takes.Round(time.Millisecond)
		c.want.Starts, c.want.Takes = c.want.Starts.Round(time.Millisecond), c.want.Takes.Round(time.Millisecond)
		if diff := cmp.Diff(c.want, got); diff != "" {
			t.Errorf("%s:\n%s", c.name, diff)
		}
	}
}
