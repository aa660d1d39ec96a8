package inspect

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestForecast_IsWhatTheQuotasAllow(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 3, 2, 4, 0, 0, 0, time.UTC)
	quota := func(app string, perMinute int) Quota {
		return Quota{AppCode: app, PerSecond: 100, PerMinute: perMinute}
	}
	one := map[string]Quota{"a": quota("X", 100)}
	shared := map[string]Quota{"a": quota("X", 100), "b": quota("X", 100), "c": quota("Y", 400)}
	bulk := func(n int) Waits { return Waits{Bulk: n} }
	type merchants = map[string]Waits
	for _, c := range []struct {
		name      string
		b         Backlog
		orders    merchants
		among     bool
		notBefore time.Time
		want      Forecast // DoneAt and Seconds follow from Takes
	}{
		{"nothing", Backlog{Quotas: one}, merchants{}, false, time.Time{}, Forecast{}},
		{"what fits into the minute goes at once", Backlog{Quotas: one}, merchants{"a": bulk(80)}, false, time.Time{}, Forecast{Takes: 800 * time.Millisecond}},
		{"unless the minute is used", Backlog{Quotas: one, Calls: map[string]Calls{"X": {Minute: 1}}}, merchants{"a": bulk(80)}, false, time.Time{},
			Forecast{Takes: 80 * time.Minute / 98}},
		{"more takes its minutes", Backlog{Quotas: one}, merchants{"a": bulk(980)}, false, time.Time{}, Forecast{Takes: 10 * time.Minute}},
		{"behind what is due", Backlog{Quotas: one, Due: map[string]DueOrders{"a": {Soon: 98}}}, merchants{"a": bulk(98)}, false, time.Time{},
			Forecast{Starts: time.Minute, Takes: 2 * time.Minute, Before: 98}},
		{"behind what is queued, which is due later", Backlog{Quotas: one, Due: map[string]DueOrders{"a": {Later: 98}}, Calls: map[string]Calls{"X": {Waits: bulk(98)}}},
			merchants{"a": bulk(98)}, false, time.Time{}, Forecast{Starts: time.Minute, Takes: 2 * time.Minute, Before: 98}},
		{"once, however long it is queued", Backlog{Quotas: one, Due: map[string]DueOrders{"a": {Soon: 49, Later: 49}}, Calls: map[string]Calls{"X": {Waits: bulk(98)}}},
			merchants{"a": bulk(98)}, false, time.Time{}, Forecast{Starts: time.Minute, Takes: 2 * time.Minute, Before: 98}},
		{"not behind what is put off", Backlog{Quotas: one, Due: map[string]DueOrders{"a": {Later: 99}}, Calls: map[string]Calls{"X": {Waits: bulk(98)}}},
			merchants{"a": bulk(98)}, false, time.Time{}, Forecast{Starts: time.Minute, Takes: 2 * time.Minute, Before: 98, Later: 1}},
		{"not behind another app_code", Backlog{Quotas: shared, Due: map[string]DueOrders{"c": {Soon: 5000}}}, merchants{"a": bulk(98)}, false, time.Time{},
			Forecast{Takes: time.Minute}},
		{"merchants share an app_code", Backlog{Quotas: shared, Due: map[string]DueOrders{"b": {Soon: 98}}}, merchants{"a": bulk(49), "b": bulk(49)}, false, time.Time{},
			Forecast{Starts: time.Minute, Takes: 2 * time.Minute, Before: 98}},
		{"the slowest app_code counts", Backlog{Quotas: shared, Due: map[string]DueOrders{"a": {Soon: 98}}}, merchants{"a": bulk(98), "c": bulk(392)}, false, time.Time{},
			Forecast{Takes: 2 * time.Minute, Before: 98}},
		{"interactive goes before bulk", Backlog{Quotas: one, Due: map[string]DueOrders{"a": {Soon: 4900}}, Calls: map[string]Calls{"X": {Waits: Waits{Interactive: 98}}}},
			merchants{"a": {Interactive: 98}}, false, time.Time{}, Forecast{Starts: time.Minute, Takes: 2 * time.Minute, Before: 98}},
		{"bulk goes behind its own interactive orders", Backlog{Quotas: one, Due: map[string]DueOrders{"a": {Soon: 98}}},
			merchants{"a": {Interactive: 98, Bulk: 98}}, false, time.Time{}, Forecast{Takes: 3 * time.Minute, Before: 98}},
		{"accepted orders are among what waits", Backlog{Quotas: one, Due: map[string]DueOrders{"a": {Soon: 196}}}, merchants{"a": bulk(98)}, true, time.Time{},
			Forecast{Starts: time.Minute, Takes: 2 * time.Minute, Before: 98}},
		{"and never before their not_before", Backlog{Now: now, Quotas: one, Due: map[string]DueOrders{"a": {Later: 98}}}, merchants{"a": bulk(98)}, true, now.Add(time.Hour),
			Forecast{Takes: time.Hour, Later: 98}},
		{"nor sooner when that is over", Backlog{Now: now, Quotas: one}, merchants{"a": bulk(98)}, true, now.Add(-time.Hour), Forecast{Takes: time.Minute}},
		{"without a worker", Backlog{Due: map[string]DueOrders{"a": {Soon: 100, Later: 292}}}, merchants{"a": bulk(392), "b": bulk(1)}, false, time.Time{},
			Forecast{Takes: 2 * time.Minute, Before: 392, Assumed: []string{"a", "b"}}},
		{"only a limit a second", Backlog{Quotas: map[string]Quota{"a": {PerSecond: 10}}}, merchants{"a": bulk(5880)}, false, time.Time{}, Forecast{Takes: 10 * time.Minute}},
		{"only a limit a minute", Backlog{Quotas: map[string]Quota{"a": {PerMinute: 100}}}, merchants{"a": bulk(98)}, false, time.Time{}, Forecast{Takes: time.Minute}},
		{"no limit", Backlog{Quotas: map[string]Quota{"a": {}}}, merchants{"a": bulk(5880)}, false, time.Time{}, Forecast{}},
	} {
		got := c.b.forecast(c.orders, c.among, c.notBefore)
		if got.DoneAt.Sub(c.b.Now.Add(got.Takes)).Abs() > time.Second || got.Seconds < int64(got.Takes/time.Second) {
			t.Errorf("%s: takes %v and ends %v after now, in %d s", c.name, got.Takes, got.DoneAt.Sub(c.b.Now), got.Seconds)
		}
		got.DoneAt, got.Seconds = time.Time{}, 0
		got.Starts, got.Takes = got.Starts.Round(time.Millisecond), got.Takes.Round(time.Millisecond)
		c.want.Takes = c.want.Takes.Round(time.Millisecond)
		if diff := cmp.Diff(c.want, got); diff != "" {
			t.Errorf("%s:\n%s", c.name, diff)
		}
	}
}
