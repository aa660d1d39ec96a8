package metrics

import (
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/qfpay-worker/qfpay-worker/qfpay"
	"github.com/qfpay-worker/qfpay-worker/tasks"
	"github.com/qfpay-worker/qfpay-worker/worker/event"
)

func newMetrics(t *testing.T, merchants ...string) (*Metrics, *prometheus.Registry) {
	t.Helper()
	reg := prometheus.NewPedanticRegistry()
	return New(reg, BuildInfo{}, merchants), reg
}

// No text from outside becomes a label: neither a merchant from a producer nor a respcd from
// the gateway.
func TestObserve_ALabelOutsideItsClosedSetCountsAsOther(t *testing.T) {
	for name, test := range map[string]struct {
		event event.Event
		of    func(*Metrics) prometheus.Counter
	}{
		// an order may name a merchant that this worker does not have
		"merchant": {event.Settled{Merchant: "20260222T1", PayType: qfpay.FPS, Outcome: tasks.Expired},
			func(m *Metrics) prometheus.Counter {
				return m.settled.WithLabelValues("other", "802001", "expired")
			}},
		// an order with an unknown pay type ends as rejected
		"pay_type": {event.Settled{Merchant: "default", PayType: "999999", Outcome: tasks.Rejected},
			func(m *Metrics) prometheus.Counter {
				return m.settled.WithLabelValues("default", "other", "rejected")
			}},
		// the same for its calls, although there should be none
		"caller": {event.Called{Call: qfpay.Call{Merchant: "20260222T1", Endpoint: "query", Result: "0000"}},
			func(m *Metrics) prometheus.Counter { return m.requests.WithLabelValues("other", "query", "0000") }},
		// the gateway may invent a respcd at any time
		"respcd": {called("payment", "7777"), requests("payment", "other")},
		// the text in place of a respcd may be anything
		"text": {called("payment", "ord-1\n2"), requests("payment", "other")},
		// a status that HTTP does not have
		"status": {called("payment", "http_799"), requests("payment", "other")},
		// known ones stay as they are
		"known respcd": {called("query", "1143"), requests("query", "1143")},
		"known status": {called("close", "http_502"), requests("close", "http_502")},
		"known word":   {called("close", "timeout"), requests("close", "timeout")},
		"endpoint":     {called("refund", "0000"), requests("other", "0000")},
	} {
		t.Run(name, func(t *testing.T) {
			m, _ := newMetrics(t, "default")
			m.Observe(test.event)
			if got := testutil.ToFloat64(test.of(m)); got != 1 {
				t.Errorf("the series that should have counted %+v is at %v", test.event, got)
			}
		})
	}
}

func called(endpoint, result string) event.Event {
	return event.Called{Call: qfpay.Call{Merchant: "default", Endpoint: endpoint, Result: result}}
}

func requests(endpoint, result string) func(*Metrics) prometheus.Counter {
	return func(m *Metrics) prometheus.Counter { return m.requests.WithLabelValues("default", endpoint, result) }
}

func TestHeld_ShowsWhetherAMerchantOrAPayTypeIsHeld(t *testing.T) {
	m, reg := newMetrics(t, "default", "shop")
	for _, step := range []struct {
		event event.Held
		want  string // the series of shop; their lines are sorted
	}{
		{event.Held{Merchant: "shop", Reason: "1108", Held: true}, `pay_type="",reason="1108"} 1`},
		// the reason changes while it is held
		{event.Held{Merchant: "shop", Reason: "http", Held: true}, `pay_type="",reason="http"} 1`},
		// a code that is not known is text from the wire
		{event.Held{Merchant: "shop", Reason: "no such code", Held: true}, `pay_type="",reason="other"} 1`},
		// a release need not name the reason
		{event.Held{Merchant: "shop"}, `pay_type="",reason="none"} 0`},
		// a pay type beside it
		{event.Held{Merchant: "shop", PayType: "802001", Reason: "1104", Held: true},
			`pay_type="",reason="none"} 0` + "\n" + `qfpay_merchant_held{merchant="shop",pay_type="802001",reason="1104"} 1`},
		{event.Held{Merchant: "shop", PayType: "802001", Reason: "1104"}, `pay_type="",reason="none"} 0`},
	} {
		m.Observe(step.event)
		want := `
# HELP qfpay_merchant_held 1 while the gateway refuses a merchant, or one of its pay types (pay_type empty: all), and its orders wait; reason is the respcd, http, or none.
# TYPE qfpay_merchant_held gauge
qfpay_merchant_held{merchant="default",pay_type="",reason="none"} 0
qfpay_merchant_held{merchant="shop",` + step.want + "\n"
		if err := testutil.GatherAndCompare(reg, strings.NewReader(want), "qfpay_merchant_held"); err != nil {
			t.Errorf("after %+v: %v", step.event, err)
		}
	}
}

func TestInFlight_OrdersAreCountedUpAndDown(t *testing.T) {
	m, _ := newMetrics(t)
	for _, delta := range []int{1, 1, -1} {
		m.Observe(event.InFlight{Lane: tasks.Interactive, Delta: delta})
	}
	if got := testutil.ToFloat64(m.inFlight.WithLabelValues("interactive")); got != 1 {
		t.Errorf("%v orders in flight after two were claimed and one was deferred", got)
	}
}

func TestObserve_ASignatureIsCountedByMerchantAndKind(t *testing.T) {
	m, _ := newMetrics(t, "default")
	for _, signature := range append(qfpay.Signatures(), "", "new") {
		m.Observe(event.Called{Call: qfpay.Call{Merchant: "default", Endpoint: "query", Result: "0000", Signature: signature}})
	}
	for _, signature := range append(qfpay.Signatures(), other) {
		if got := testutil.ToFloat64(m.signatures.WithLabelValues("default", string(signature))); got != 1 {
			t.Errorf("%s is at %v", signature, got)
		}
	}
}

func TestObserve_ACallThatWasNotSentHasNoDuration(t *testing.T) {
	m, reg := newMetrics(t, "default")
	m.Observe(called("payment", "not_sent"))
	if got := histogramCount(t, reg, "qfpay_gateway_request_seconds"); got != 0 {
		t.Errorf("%d durations for a call that was not made", got)
	}
	m.Observe(called("payment", "timeout"))
	if got := histogramCount(t, reg, "qfpay_gateway_request_seconds"); got != 1 {
		t.Errorf("%d durations for one call", got)
	}
}

// Every operation that a worker reports has a series, so that rate() sees the first failure.
func TestObserve_EveryOperationOfAWorkerIsForeseen(t *testing.T) {
	var files []string
	err := filepath.WalkDir("../worker", func(path string, _ fs.DirEntry, err error) error {
		if filepath.Ext(path) == ".go" {
			files = append(files, path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	found := map[string]bool{opScrape: true, "settle": true, "wait": true} // the latter two through settleOp
	literal := regexp.MustCompile(`(?:RedisFailed\{Op: |OnError\()"(\w+)"`)
	for _, file := range files {
		if strings.HasSuffix(file, "_test.go") {
			continue
		}
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range literal.FindAllStringSubmatch(string(text), -1) {
			found[m[1]] = true
		}
	}
	got, want := slices.Sorted(maps.Keys(found)), slices.Sorted(slices.Values(redisOps))
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("operations (-foreseen +of workers):\n%s", diff)
	}
}

// Clocks of two machines differ; a falling _sum looks like a restart.
func TestObserve_NegativeDurationsCountAsZero(t *testing.T) {
	m, reg := newMetrics(t)
	m.Observe(event.Started{Lane: tasks.Bulk, Waited: -time.Minute})
	families, err := reg.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range families {
		if f.GetName() != "qfpay_order_wait_seconds" {
			continue
		}
		for _, s := range f.GetMetric() {
			if s.GetHistogram().GetSampleSum() < 0 {
				t.Errorf("sum is %v", s.GetHistogram().GetSampleSum())
			}
		}
	}
	if got := histogramCount(t, reg, "qfpay_order_wait_seconds"); got != 1 {
		t.Errorf("counted %d times", got)
	}
}

func histogramCount(t *testing.T, g prometheus.Gatherer, name string) (n uint64) {
	t.Helper()
	families, err := g.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range families {
		if f.GetName() == name {
			for _, m := range f.GetMetric() {
				n += m.GetHistogram().GetSampleCount()
			}
		}
	}
	return n
}

func TestUsage_UsedQuotaIsForgottenAMinuteAfterTheLastCall(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m, _ := newMetrics(t, "default")
		m.Observe(event.LimiterWaited{Merchant: "default", UsedSecond: 0.25, UsedMinute: 0.75})
		time.Sleep(time.Minute)
		if got := testutil.CollectAndCount(m.used); got != 2 {
			t.Errorf("%d series", got)
		}
		if got := m.used.now("default"); got.second != 0.25 || got.minute != 0.75 {
			t.Errorf("within the minute it shows %+v", got)
		}
		time.Sleep(time.Nanosecond)
		if got := m.used.now("default"); got.second != 0 || got.minute != 0 {
			t.Errorf("after the minute it shows %+v", got)
		}
	})
}

func TestObserve_NoEventIsLostWhenManyObserve(t *testing.T) {
	m, reg := newMetrics(t, "default")
	const observers, each = 8, 200
	var all sync.WaitGroup
	for i := range observers {
		all.Go(func() {
			for range each {
				m.Observe(event.Settled{Merchant: fmt.Sprint(i), PayType: qfpay.FPS, Outcome: tasks.Created})
				m.Observe(event.LimiterWaited{Merchant: "default", UsedMinute: 0.5})
				m.Observe(event.Held{Merchant: "default", Reason: "config", Held: i%2 == 0})
			}
		})
	}
	if _, err := reg.Gather(); err != nil { // a scrape in the middle of it
		t.Error(err)
	}
	all.Wait()
	if got := testutil.ToFloat64(m.settled.WithLabelValues("other", "802001", "created")); got != observers*each {
		t.Errorf("%v of %d events counted", got, observers*each)
	}
}
