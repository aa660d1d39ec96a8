package metrics

import (
	"maps"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	dto "github.com/prometheus/client_model/go"
)

// promised is every metric with its labels. Dashboards and alerts depend on these names:
// renaming one breaks an alert.
var promised = map[string][]string{
	"qfpay_orders_settled_total":    {"merchant", "outcome", "pay_type"},
	"qfpay_order_seconds":           {"lane", "outcome"},
	"qfpay_order_wait_seconds":      {"lane"},
	"qfpay_gateway_requests_total":  {"endpoint", "merchant", "result"},
	"qfpay_gateway_request_seconds": {"endpoint"},

	"qfpay_response_signatures_total": {"merchant", "result"},

	"qfpay_limiter_wait_seconds":    {"merchant"},
	"qfpay_limiter_used_ratio":      {"merchant", "window"},
	"qfpay_merchant_held":           {"merchant", "pay_type", "reason"},
	"qfpay_merchant_paused":         {"merchant", "pay_type"},
	"qfpay_order_deferrals_total":   {"reason"},
	"qfpay_orders_in_flight":        {"lane"},
	"qfpay_queue_orders":            {"lane", "state"},
	"qfpay_queue_oldest_seconds":    {"lane"},
	"qfpay_queue_paused":            {"lane"},
	"qfpay_results_length":          nil,
	"qfpay_results_unread":          {"group"},
	"qfpay_redis_errors_total":      {"op"},
	"qfpay_build_info":              {"commit", "goversion", "version"},
	"qfpay_orders_unsettled":        nil,
	"qfpay_orders_scheduled":        nil,
	"qfpay_orders_damaged":          nil,
	"qfpay_unknown_merchants":       nil,
	"qfpay_due_late_seconds":        nil,
	"qfpay_orders_closing":          nil,
	"qfpay_closing_late_seconds":    nil,
	"qfpay_closings_total":          {"result"},
	"qfpay_requests_length":         nil,
	"qfpay_requests_oldest_seconds": nil,

	"qfpay_http_connections_dropped_total": {"reason", "server"},

	"qfpay_notifications_total": {"result"},

	"qfpay_orders_judged_total":            {"lane", "verdict"},
	"qfpay_orders_reissued_total":          {"merchant"},
	"qfpay_limiter_limit":                  {"merchant", "window"},
	"qfpay_payments_late_total":            {"merchant"},
	"qfpay_payments_total":                 {"event", "merchant", "pay_type"},
	"qfpay_payment_seconds":                {"pay_type"},
	"qfpay_payments_open":                  {"merchant"},
	"qfpay_payments_overdue":               {"merchant"},
	"qfpay_payments_length":                nil,
	"qfpay_payments_unread":                {"group"},
	"qfpay_payments_oldest_unread_seconds": {"group"},
	"qfpay_results_oldest_unread_seconds":  {"group"},
	"qfpay_redis_memory_used_bytes":        nil,
	"qfpay_redis_memory_max_bytes":         nil,
	"qfpay_redis_evicted_keys_total":       nil,
	"qfpay_redis_aof_enabled":              nil,
	"qfpay_redis_aof_last_write_ok":        nil,
	"qfpay_redis_clock_offset_seconds":     nil,
}

func TestContract_EveryPromisedMetricIsThereAndNoOther(t *testing.T) {
	families, err := exposition(t).Gather()
	if err != nil {
		t.Fatal(err)
	}
	got := map[string][]string{}
	for _, f := range families {
		for _, m := range f.GetMetric() {
			got[f.GetName()] = labelNames(m)
		}
	}
	if diff := cmp.Diff(promised, got); diff != "" {
		t.Errorf("metrics and their labels (-promised +got):\n%s", diff)
	}
}

func labelNames(m *dto.Metric) []string {
	var names []string
	for _, l := range m.GetLabel() {
		names = append(names, l.GetName())
	}
	return names
}

// Known series exist with 0 from the start, because rate() does not notice a new counter.
func TestContract_ForeseeableSeriesStartAtZero(t *testing.T) {
	reg := prometheus.NewPedanticRegistry()
	New(reg, BuildInfo{}, []string{"default", "shop"})
	want := map[string]int{
		"qfpay_orders_settled_total":    2 * 7 * 5, // merchants, pay types, outcomes
		"qfpay_orders_judged_total":     2 * 5,     // lanes, verdicts
		"qfpay_orders_reissued_total":   2,         // merchants
		"qfpay_order_seconds":           2 * 5,     // lanes, outcomes
		"qfpay_order_wait_seconds":      2,         // lanes
		"qfpay_gateway_requests_total":  2 * 4 * 3, // merchants, endpoints, foreseen results
		"qfpay_gateway_request_seconds": 4,         // endpoints
		"qfpay_limiter_wait_seconds":    2,         // merchants
		"qfpay_limiter_used_ratio":      2 * 2,     // merchants, windows
		"qfpay_merchant_held":           2,         // merchants
		"qfpay_order_deferrals_total":   10,        // reasons
		"qfpay_orders_in_flight":        2,         // lanes
		"qfpay_redis_errors_total":      17,        // operations
		"qfpay_build_info":              1,

		"qfpay_http_connections_dropped_total": 3 * 3, // servers, reasons
		"qfpay_notifications_total":            9,     // results
		"qfpay_closings_total":                 4,     // results
		"qfpay_payments_late_total":            2,     // merchants
		"qfpay_response_signatures_total":      2 * 3, // merchants, wrong results
	}
	all := 0
	for _, name := range slices.Sorted(maps.Keys(want)) {
		all += want[name]
		n, err := testutil.GatherAndCount(reg, name)
		if err != nil {
			t.Fatal(err)
		}
		if n != want[name] {
			t.Errorf("%s has %d series at the start, want %d", name, n, want[name])
		}
	}
	if n, err := testutil.GatherAndCount(ours(reg)); err != nil || n != all {
		t.Errorf("%d series at the start, want %d; error %v", n, all, err)
	}
}

func TestContract_TheRuntimeShowsItself(t *testing.T) {
	reg := prometheus.NewPedanticRegistry()
	New(reg, BuildInfo{}, nil)
	for _, name := range []string{"go_goroutines", "process_cpu_seconds_total"} {
		if n, err := testutil.GatherAndCount(reg, name); err != nil || n != 1 {
			t.Errorf("%s: %d series, error %v", name, n, err)
		}
	}
}
