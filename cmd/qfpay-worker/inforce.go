package main

import (
	"slices"

	"github.com/qfpay-worker/qfpay-worker/metrics"
	"github.com/qfpay-worker/qfpay-worker/worker"
)

// putInForce returns what puts other merchants in force in a worker that has these, and
// in its metrics.
func putInForce(w *worker.Worker, m *metrics.Metrics, inForce []MerchantSettings) func([]MerchantSettings) error {
	return func(merchants []MerchantSettings) error {
		m.SetMerchants(slices.Concat(namesOf(inForce), namesOf(merchants)))
		err := w.SetMerchants(forWorker(merchants))
		if err == nil {
			inForce = merchants
		}
		m.SetMerchants(namesOf(inForce))
		showLimits(m, inForce)
		return err
	}
}

func showLimits(m *metrics.Metrics, merchants []MerchantSettings) {
	for _, one := range merchants {
		m.ShowLimit(one.Name, one.PerSecond, one.PerMinute)
	}
}

func namesOf(merchants []MerchantSettings) []string {
	names := make([]string, len(merchants))
	for i, m := range merchants {
		names[i] = m.Name
	}
	return names
}

func forWorker(merchants []MerchantSettings) []worker.Merchant {
	all := make([]worker.Merchant, len(merchants))
	for i, one := range merchants {
		all[i] = worker.Merchant(one)
	}
	return all
}
