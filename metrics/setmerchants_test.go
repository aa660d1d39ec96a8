package metrics

import (
	"sync"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/qfpay-worker/qfpay-worker/worker/event"
)

// of returns how many of our series a merchant has.
func of(t *testing.T, g prometheus.Gatherer, merchant string) int {
	t.Helper()
	families, err := ours(g).Gather()
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for _, f := range families {
		for _, m := range f.GetMetric() {
			for _, l := range m.GetLabel() {
				if l.GetName() == "merchant" && l.GetValue() == merchant {
					n++
				}
			}
		}
	}
	return n
}

func TestSetMerchants_MerchantsThatComeAreShownAndThoseThatGoAreNot(t *testing.T) {
	m, reg := newMetrics(t, "stays", "goes")
	for _, name := range []string{"stays", "goes"} {
		m.ShowLimit(name, 100, 400)
		m.Observe(event.Reissued{Merchant: name})
		m.Observe(event.LimiterWaited{Merchant: name, UsedMinute: 0.5})
		m.Observe(event.Held{Merchant: name, Reason: "1108", Held: true})
	}
	m.SetMerchants([]string{"comes", "stays", "goes"}) // while the worker changes
	m.Observe(event.Held{Merchant: "comes", Reason: "1108", Held: true})
	m.Observe(event.Held{Merchant: "goes"})
	m.SetMerchants([]string{"comes", "stays"})

	if got := testutil.ToFloat64(m.reissued.WithLabelValues("stays")); got != 1 {
		t.Errorf("the counter of the merchant that stays is at %v, want 1", got)
	}
	for _, name := range []string{"stays", "comes"} {
		if got := testutil.ToFloat64(m.held.WithLabelValues(name, "", "1108")); got != 1 {
			t.Errorf("%s is held, and that is shown as %v", name, got)
		}
	}
	m.ShowLimit("comes", 100, 400)
	if stays, comes := of(t, reg, "stays"), of(t, reg, "comes"); stays != comes {
		t.Errorf("the new merchant has %d series, the one that stayed %d", comes, stays)
	}
	m.Observe(event.Reissued{Merchant: "goes"}) // by an attempt that was still in flight
	if n := of(t, reg, "goes"); n != 0 {
		t.Errorf("the removed merchant has %d series", n)
	}
	m.ShowLimit("comes", 0, 400)
	if n := testutil.CollectAndCount(m.limits); n != 3 {
		t.Errorf("%d limits are shown, want 2 and the 1 that is left", n)
	}
}

// However often merchants change, at most a hundred are shown by name.
func TestSetMerchants_MerchantsThatComeAndGoAreFewSeries(t *testing.T) {
	m, reg := newMetrics(t, merchantNames(mostMerchants-1)...)
	all := merchantNames(3 * mostMerchants)
	m.SetMerchants(all)
	if of(t, reg, all[0]) == 0 || of(t, reg, all[mostMerchants-1]) == 0 {
		t.Error("the first hundred are not all shown by name")
	}
	if of(t, reg, all[mostMerchants]) != 0 || of(t, reg, other) == 0 {
		t.Error("the hundred-and-first has series of its own, or there is no other")
	}
	for i := range mostMerchants {
		m.SetMerchants(all[i : i+mostMerchants])
		m.Observe(event.LimiterWaited{Merchant: all[i], UsedMinute: 1})
	}
	if n := testutil.CollectAndCount(m.reissued); n > mostMerchants+1 {
		t.Errorf("%d merchants are shown by name", n)
	}
	if n := len(m.used.last); n > mostMerchants+1 {
		t.Errorf("the quota of %d merchants is remembered", n)
	}
}

func TestSetMerchants_MerchantsChangeBesideEvents(t *testing.T) {
	m, reg := newMetrics(t, "a")
	var all sync.WaitGroup
	for _, name := range []string{"a", "b"} {
		all.Go(func() {
			for range 200 {
				m.Observe(event.Held{Merchant: name, Reason: "1108", Held: true})
				m.Observe(event.LimiterWaited{Merchant: name})
				m.ShowLimit(name, 1, 1)
			}
		})
	}
	all.Go(func() {
		for range 100 {
			m.SetMerchants([]string{"a", "b"})
			m.SetMerchants([]string{"a"})
			of(t, reg, "b")
		}
	})
	all.Wait()
	if n := of(t, reg, "b"); n != 0 {
		t.Errorf("%d series of the removed merchant", n)
	}
}
