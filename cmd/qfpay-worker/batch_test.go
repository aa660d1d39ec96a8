package main

import (
	"encoding/json"
	"fmt"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/qfpay-worker/qfpay-worker/internal/redistest"
	"github.com/qfpay-worker/qfpay-worker/tasks"
	"github.com/qfpay-worker/qfpay-worker/worker/batches"
)

func TestBatch_FromAFileToItsCounters(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	rdb, env, keys := server.Client(t), []string{"REDIS_URL=" + server.URL}, tasks.Keys{Prefix: tasks.DefaultPrefix}
	if got := command(t, env, "batch", "list"); got.code != exitDone || got.out != "" || !strings.HasPrefix(got.err, "no batches yet") {
		t.Errorf("none: %+v", got)
	}
	if got := command(t, env, "batch", "show", "march"); got.code != exitInput || !strings.Contains(got.err, "no such batch: march; qfpay-worker batch list shows") {
		t.Errorf("unknown: %+v", got)
	}
	rdb.HSet(t.Context(), keys.Merchants(), "default", time.Now().Add(time.Hour).UnixMilli())
	rdb.HSet(t.Context(), keys.Quotas(), "default", "100 100 X")
	var rows strings.Builder
	for i := range 196 {
		fmt.Fprintf(&rows, "N%03d,801501,2500,HKD,\n", i)
	}
	orders := file(t, "orders.csv", "out_trade_no,pay_type,txamt,txcurrcd,batch\n"+rows.String()+"OWN,802001,2500,HKD,april\n")
	got := command(t, env, "enqueue", "--batch", "march", "--expired-time", "5", orders)
	if got.code != exitDone || got.out != "enqueued=197 duplicate=0 invalid=0\n" || !regexp.MustCompile(`^forecast: 197 orders in about 11[12] s, until 20\S+Z\n$`).MatchString(got.err) {
		t.Errorf("%+v", got)
	}
	for number, minutes := range map[string]int{"N001": 5, "OWN": 0} {
		o, err := tasks.ParseOrder([]byte(rdb.HGet(t.Context(), keys.Order("default:"+number), "order").Val()))
		if err != nil || o.ExpiredTime != minutes {
			t.Errorf("%s: expired_time is %d, %v", number, o.ExpiredTime, err)
		}
	}
	got = command(t, env, "enqueue", "--batch", "march", "--expired-time", "5", orders) // again
	if got.code != exitDone || got.out != "enqueued=0 duplicate=197 invalid=0\n" || got.err != "" {
		t.Errorf("again: %+v", got)
	}
	got = command(t, env, "enqueue", "--batch", "march", file(t, "more.csv", "out_trade_no,pay_type,txamt,txcurrcd\nM1,802001,2500,HKD\nOWN,802001,2500,HKD\n"))
	if !regexp.MustCompile(`^batch march has 196 orders already that are not in this file; it goes on with both\n`+
		`forecast: 1 order in about 11[34] s, until 20\S+Z, behind 197 other orders; enqueued already: 1 order of the file\n$`).MatchString(got.err) || got.code != exitDone {
		t.Errorf("another file: %+v", got)
	}

	got = command(t, env, "batch", "show", "march")
	if want := regexp.MustCompile(`^batch +march\naccepted +197\nwaiting +197\ncreated +0\nfirst order +20.*\nlast order +20.*\n` +
		`time left +about 11[34] s, until 20\S+Z, behind 1 other order\n$`); got.code != exitDone || !want.MatchString(got.out) {
		t.Errorf("show: %+v", got)
	}
	got = command(t, env, "batch", "show", "--format", "json", "march")
	var b batches.Batch
	if err := json.Unmarshal([]byte(got.out), &b); err != nil || b.Waiting != 197 || b.Forecast == nil || b.Forecast.Before != 1 || b.Forecast.Seconds < 113 || b.Forecast.Seconds > 115 {
		t.Errorf("%v, %s", err, got.out)
	}
	rdb.HSet(t.Context(), keys.Batch("april"), "last_settled_at", time.Now().Add(time.Minute).UnixMilli(), "created", 1, "waiting", 0, "merchant:b", 0)
	got = command(t, env, "batch", "list")
	if want := regexp.MustCompile(`^batch  accepted  waiting  created  other  last change\napril  1         0        1        0      20.*\nmarch  197       197      0        0      20.*\n$`); !want.MatchString(got.out) {
		t.Errorf("list: %+v", got)
	}
	if got = command(t, env, "batch", "list", "--limit", "1", "--format", "json"); strings.Count(got.out, "\n") != 1 || !strings.HasPrefix(got.out, `{"batch":"april","accepted":1,`) {
		t.Errorf("list as JSON: %+v", got)
	}
	rdb.Set(t.Context(), keys.Batch("text"), "x", 0)
	if got = command(t, env, "batch", "list"); got.code != exitDone || !strings.Contains(got.out, "march") || !strings.Contains(got.err, "batch text: WRONGTYPE") {
		t.Errorf("beside a damaged one: %+v", got)
	}
	if got = command(t, env, "batch", "show", "text"); got.code != exitOutside || !strings.Contains(got.err, "batch text: WRONGTYPE") {
		t.Errorf("a damaged one: %+v", got)
	}
}

func TestBatch_RefusesWhatCannotBe(t *testing.T) {
	t.Parallel()
	name := file(t, "orders.csv", head)
	for _, c := range []struct {
		args []string
		says string
	}{
		{[]string{"batch", "show", "no name"}, `NAME: must be the name of a batch, 1 to 64 letters, digits, ., _ or -, not "no name"`},
		{[]string{"batch", "show", ""}, "NAME: must be the name of a batch"},
		{[]string{"batch", "list", "--limit", "0"}, `--limit: must be a whole number from 1 to 100000, not "0"`},
		{[]string{"batch", "list", "--format", "xml"}, "--format: "},
		{[]string{"batch"}, "expected one of"},
		{[]string{"enqueue", "--batch", "a:b", name}, `--batch: must be the name of a batch`},
		{[]string{"enqueue", "--expired-time", "121", name}, `--expired-time: must be 5 to 120 minutes, not "121"`},
		{[]string{"enqueue", "--expired-time", "1h", name}, `--expired-time: must be 5 to 120 minutes, not "1h"`},
	} {
		if got := command(t, nil, c.args...); got.code != exitInput || !strings.Contains(got.err, c.says) {
			t.Errorf("%q: %+v, want %q", c.args, got, c.says)
		}
	}
}

func TestForecast_IsALineForAPerson(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 3, 2, 4, 0, 0, 0, time.UTC)
	for _, c := range []struct {
		f        batches.Forecast
		t        fileTotals
		text     string
		warning  string
		lifetime int
	}{
		{f: batches.Forecast{DoneAt: at}, t: fileTotals{count: 1}, text: "forecast: 1 order in about 1 s, until 2026-03-02T04:00:00Z"},
		{f: batches.Forecast{DoneAt: at, Starts: time.Hour, Takes: 90 * time.Minute, Before: 9, Later: 2, Assumed: []string{"a", "b", "c", "d"}},
			t: fileTotals{count: 300, enqueued: 5, later: 6}, lifetime: 30,
			text: "forecast: 300 orders in about 90 min, until 2026-03-02T04:00:00Z, behind 9 other orders; 2 more are put off for over a minute and not counted; " +
				"enqueued already: 5 orders of the file; waiting for their not_before: 6 orders of the file; " +
				"no running worker has merchant a, b, c and 1 more: the time cannot be known; assumed are QFPay's 400 calls a minute from now on"},
		{f: batches.Forecast{DoneAt: at, Starts: time.Hour, Takes: 91 * time.Minute}, t: fileTotals{count: 300}, lifetime: 30,
			text: "forecast: 300 orders in about 91 min, until 2026-03-02T04:00:00Z",
			warning: "warning: some QR codes live 30 min, and the last order is made about 31 min after the first, so codes run out before that: " +
				"use --expired-time 120, spread the orders with not_before, or enqueue fewer at once"},
		{f: batches.Forecast{DoneAt: at, Takes: 150 * time.Minute}, t: fileTotals{count: 300}, lifetime: 120,
			text: "forecast: 300 orders in about 2.5 h, until 2026-03-02T04:00:00Z",
			warning: "warning: some QR codes live 120 min, and the last order is made about 2.5 h after the first, so codes run out before that: " +
				"spread the orders with not_before, or enqueue fewer at once"},
		{f: batches.Forecast{DoneAt: at, Takes: 150 * time.Minute}, t: fileTotals{count: 300}, text: "forecast: 300 orders in about 2.5 h, until 2026-03-02T04:00:00Z"},
	} {
		if diff := cmp.Diff([]string{c.text, c.warning}, []string{forecastText(c.f, &c.t), lifetimeWarning(c.f, c.lifetime)}); diff != "" {
			t.Error(diff)
		}
	}
}

func TestForecast_CountsWhatRunsOut(t *testing.T) {
	t.Parallel()
	now := time.Now()
	totals := fileTotals{orders: map[string]batches.Waits{}}
	add := func(merchant string, o tasks.Order) { o.Merchant = merchant; totals.add(o, now) }
	add("a", tasks.Order{})
	add("a", tasks.Order{Lane: tasks.Interactive})
	add("b", tasks.Order{NotBefore: now.Add(30 * time.Second)})
	add("b", tasks.Order{NotBefore: now.Add(2 * time.Minute)})
	if diff := cmp.Diff(map[string]batches.Waits{"a": {Interactive: 1, Bulk: 1}, "b": {Bulk: 1}}, totals.orders); diff != "" || totals.later != 1 || totals.count != 3 {
		t.Errorf("%+v\n%s", totals, diff)
	}
	for _, c := range []struct {
		payType string
		minutes int
		want    int
	}{{"802001", 5, 0}, {"801501", 60, 60}, {"801501", 0, 30}, {"800201", 10, 10}, {"800101", 20, 10}} {
		var o tasks.Order
		if err := json.Unmarshal(fmt.Appendf(nil, `{"pay_type":%q,"expired_time":%d}`, c.payType, c.minutes), &o); err != nil {
			t.Fatal(err)
		}
		if add("a", o); totals.lifetime != c.want {
			t.Errorf("after %s with %d: codes live %d min, want %d", c.payType, c.minutes, totals.lifetime, c.want)
		}
	}
}
