package metrics

import "github.com/prometheus/client_golang/prometheus"

// SetMerchants replaces the configured merchants. It is safe for concurrent use. The series
// of new merchants begin at 0, if there is room to show them by name; the series of removed
// merchants end. A merchant that stays configured stays as it is shown, by name or as
// "other": otherwise its counter would be split in two.
//
// While the merchants of the worker change, pass the old and the new ones together, and
// afterwards the new ones alone, so that no event of either counts as "other".
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

// forget ends the series of merchants that are no longer configured.
func (m *Metrics) forget(configured set) {
	for merchant := range m.known.configured {
		if configured[merchant] {
			continue
		}
		of := prometheus.Labels{"merchant": merchant}
		for _, series := range []interface{ DeletePartialMatch(prometheus.Labels) int }{
			m.settled, m.reissued, m.requests, m.signatures, m.permitSeconds, m.limits, m.held, m.payments, m.paymentsOpen, m.paymentsOverdue, m.paidLate,
		} {
			series.DeletePartialMatch(of)
		}
	}
}
