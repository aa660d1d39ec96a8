package metrics

import (
	"fmt"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/qfpay-worker/qfpay-worker/tasks"
	"github.com/qfpay-worker/qfpay-worker/worker/event"
)

func merchantNames(n int) []string {
	names := make([]string, n)
	for i := range names {
		names[i] = fmt.Sprintf("shop%04d", i)
	}
	return names
}

// A thousand merchants cost Prometheus hardly more than a hundred. Series that appear later are
// limited too: to 130 results at four endpoints for each merchant that is shown by name.
func TestMerchants_ManyMerchantsAreFewSeries(t *testing.T) {
	series := func(n int) int {
		reg := prometheus.NewPedanticRegistry()
		m := New(reg, BuildInfo{}, merchantNames(n))
		for _, name := range merchantNames(n) {
			m.ShowLimit(name, 100, 400)
			m.Observe(event.Settled{Merchant: name, PayType: "800101", Lane: tasks.Bulk, Outcome: tasks.Created})
			m.Observe(event.LimiterWaited{Merchant: name, UsedMinute: 0.5})
			m.Observe(event.Held{Merchant: name})
		}
		count, err := testutil.GatherAndCount(ours(reg))
		if err != nil {
			t.Fatal(err)
		}
		return count
	}
	hundred, thousand := series(100), series(1000)
	t.Logf("series: %d with 100 merchants, %d with 1,000", hundred, thousand)
	if thousand > hundred+100 || thousand > 6000 {
		t.Errorf("%d series with 100 merchants, %d with 1,000", hundred, thousand)
	}
}

// An alert must name the merchant whose key is rejected, also beyond the hundredth.
func TestHeld_AMerchantIsShownByNameWhereverItStands(t *testing.T) {
	m, _ := newMetrics(t, merchantNames(1000)...)
	m.Observe(event.Held{Merchant: "shop0999", Reason: "1108", Held: true})
	if got := testutil.ToFloat64(m.held.WithLabelValues("shop0999", "", "1108")); got != 1 {
		t.Errorf("shop0999 is held: %v", got)
	}
	m.Observe(event.Held{Merchant: "shop0999"})
	if n := testutil.CollectAndCount(m.held); n != mostMerchants {
		t.Errorf("%d series once it is released, want one for each of %d", n, mostMerchants)
	}
}

// Of the merchants that share the label "other", the fullest quota is shown.
func TestUsage_TheFullestQuotaIsSeenOfMerchantsNotShownByName(t *testing.T) {
	m, _ := newMetrics(t, merchantNames(1000)...)
	m.Observe(event.LimiterWaited{Merchant: "shop0500", UsedMinute: 1})
	m.Observe(event.LimiterWaited{Merchant: "shop0501", UsedMinute: 0.1})
	if got := m.used.byLabel()[other]; got.minute != 1 {
		t.Errorf("other is at %+v", got)
	}
}
