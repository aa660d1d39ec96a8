package metrics

import (
	"bytes"
	"context"
	"flag"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"

	"github.com/qfpay-worker/qfpay-worker/qfpay"
	"github.com/qfpay-worker/qfpay-worker/tasks"
	"github.com/qfpay-worker/qfpay-worker/worker/event"
)

var update = flag.Bool("update", false, "write testdata/metrics.prom anew")

// goldenFile has every metric of our own, as scraped. The tests of the dashboards read it too.
const goldenFile = "testdata/metrics.prom"

// oneOfEach has one event of every type.
var oneOfEach = []event.Event{
	event.Settled{Merchant: "default", PayType: qfpay.WeChat, Lane: tasks.Bulk, Outcome: tasks.Created, Took: 1500 * time.Millisecond},
	event.Started{Lane: tasks.Bulk, Waited: 20 * time.Millisecond},
	event.InFlight{Lane: tasks.Bulk, Delta: 1},
	event.Called{Call: qfpay.Call{Merchant: "default", Endpoint: "payment", Result: "0000", Took: 250 * time.Millisecond}},
	event.Deferred{Reason: event.DeferQuota, For: time.Second},
	event.LimiterWaited{Merchant: "default", Waited: 30 * time.Millisecond, UsedSecond: 0.25, UsedMinute: 0.5},
	event.Held{Merchant: "default", Reason: "1108", Held: true},
	event.RedisFailed{Op: "attempt"},
	event.Reissued{Merchant: "default"},
	event.Closed{Result: "closed"},
	event.Payment{Merchant: "default", PayType: qfpay.WeChat, Event: tasks.Paid, Took: 12 * time.Second},
	event.OpenCodes{Merchant: "default", Codes: 7, Overdue: 2},
	event.PaidLate{Merchant: "default"},
}

var someBacklog = backlog{
	lanes: map[tasks.Lane]laneBacklog{
		tasks.Interactive: {tasks: map[string]int64{"pending": 0, "active": 1, "scheduled": 0, "retry": 0, "archived": 0}},
		tasks.Bulk: {tasks: map[string]int64{"pending": 12, "active": 3, "scheduled": 4, "retry": 5, "archived": 6},
			oldest: 7 * time.Second},
	},
	unsettled: 40,
	scheduled: 5,
	closing:   3, closingLate: 4 * time.Second,
	paused:   []string{"default:800201", "shop"},
	late:     250 * time.Millisecond,
	results:  streamBacklog{900, map[string]int64{"shop": 8}, map[string]time.Duration{"shop": 90 * time.Second}},
	payments: streamBacklog{600, map[string]int64{"till": 2}, map[string]time.Duration{"till": 30 * time.Second}},
	redis: health{now: time.Unix(1771234567, 0), offset: 2 * time.Millisecond, values: map[string]float64{
		"used_memory": 1 << 20, "maxmemory": 1 << 29, "evicted_keys": 0, "aof_enabled": 1, "aof_last_write_status": 1,
	}},
	requests: 2, asked: 3 * time.Second,
}

// exposition returns the metrics of a process with one merchant after one event of each type.
func exposition(t *testing.T) prometheus.Gatherer {
	t.Helper()
	reg := prometheus.NewPedanticRegistry()
	m := New(reg, BuildInfo{Version: "1.2.3", Commit: "0123abc", GoVersion: "go1.26.8"}, []string{"default"})
	reg.MustRegister(m.queues(func(context.Context) (backlog, error) { return someBacklog, nil }, time.Second))
	m.ShowLimit("default", 100, 400)
	for _, e := range oneOfEach {
		m.Observe(e)
	}
	return ours(reg)
}

// ours filters out the metrics of the Go runtime and the process.
func ours(g prometheus.Gatherer) prometheus.Gatherer {
	return prometheus.GathererFunc(func() ([]*dto.MetricFamily, error) {
		all, err := g.Gather()
		var kept []*dto.MetricFamily
		for _, f := range all {
			if strings.HasPrefix(f.GetName(), namespace+"_") {
				kept = append(kept, f)
			}
		}
		return kept, err
	})
}

func TestGolden_TheExpositionIsAsWrittenDown(t *testing.T) {
	g := exposition(t)
	if *update {
		writeGolden(t, g)
	}
	golden, err := os.Open(goldenFile)
	if err != nil {
		t.Fatal(err)
	}
	defer golden.Close()
	if err := testutil.GatherAndCompare(g, golden); err != nil {
		t.Errorf("%v\nif this change is meant, run the test with -update: every name is a promise to dashboards", err)
	}
}

func writeGolden(t *testing.T, g prometheus.Gatherer) {
	t.Helper()
	families, err := g.Gather()
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	for _, f := range families {
		if _, err := expfmt.MetricFamilyToText(&out, f); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(goldenFile, out.Bytes(), 0o644); err != nil {
		t.Fatal(err)
	}
}

func TestGolden_TheExpositionFollowsPrometheusNaming(t *testing.T) {
	problems, err := testutil.GatherAndLint(exposition(t))
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range problems {
		t.Errorf("%s: %s", p.Metric, p.Text)
	}
}

func TestGolden_PromtoolFindsNothingInTheExposition(t *testing.T) {
	t.Parallel()
	promtool, err := exec.LookPath("promtool")
	if err != nil {
		t.Fatal("promtool is missing; install it with: apt-get install prometheus (make test does)")
	}
	golden, err := os.Open(goldenFile)
	if err != nil {
		t.Fatal(err)
	}
	defer golden.Close()
	check := exec.Command(promtool, "check", "metrics")
	check.Stdin = golden
	if out, err := check.CombinedOutput(); err != nil || len(out) > 0 {
		t.Errorf("promtool check metrics: %v\n%s", err, out)
	}
}
