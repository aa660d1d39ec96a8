package metrics

import "github.com/prometheus/client_golang/prometheus"

// SetMerchants says which merchants are configured from now on. It is safe beside all
// else. Series of new ones begin at 0, if there is room by name, and those of merchants
// that are gone end. While it is configured a merchant goes on as it is shown, by name or as
// "other": a counter that went over would be two halves.
//
// While the worker's own merchants change, give it those of before and after together,
// and then those in force, so that nothing of either counts as "other".
func (m *Metrics) SetMerchants(merchants []string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	before, configured := m.known.merchant, setOf(merchants)
	named := set{}
	for _, merchant := range merchants {
		if before[merchant] {
			named[merchant] = true
		}
	}
	var fresh []string
	for _, merchant := range merchants {
		if !m.known.configured[merchant] && !named[merchant] && len(named) < mostMerchants {
			named[merchant] = true
			fresh = append(fresh, merchant)
		}
	}
	m.forget(configured)
	m.known.merchant, m.known.configured = named, configured
	m.used.show(named, configured)
	for _, merchant := range fresh {
		m.foreseeShown(merchant)
	}
	if len(configured) > len(named) {
		m.foreseeMerchant(other)
	}
}

// forget ends the series of merchants that are not configured any more.
func (m *Metrics) forget(configured set) {
	for merchant := range m.known.configured {
		if configured[merchant] {
			continue
		}
		of := prometheus.Labels{"merchant": merchant}
		for _, series := range []interface{ DeletePartialMatch(prometheus.Labels) int }{
			m.settled, m.reissued, m.requests, m.leaveSeconds, m.limits, m.held,
		} {
			series.DeletePartialMatch(of)
		}
	}
}
