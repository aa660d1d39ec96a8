// Package dashboards describes the Grafana dashboards of qfpay-worker: the name, queries and
// meaning of each panel. Grafana reads [Dashboard.JSON], which is committed under
// deploy/grafana/dashboards; a test checks that the files are up to date.
package dashboards

// Dashboard is one page.
type Dashboard struct {
	File, UID, Title, Description string
	Rows                          []Row
}

// Row is a heading with its panels.
type Row struct {
	Title  string
	Panels []Panel
}

// Panel is one figure or one graph.
type Panel struct {
	Title, Description string
	Unit               string // Grafana's name of it
	Stat               bool   // one figure, not a graph
	Stacked            bool
	Width              int    // of 24
	Warn, Alarm        string // from where on it is yellow and red; empty: never
	Runbook            string // the alert whose section to read, if there is one
	Queries            []Query
}

// Query is one expression with the legend of its series.
type Query struct{ Legend, Expr string }

// All returns every dashboard.
func All() []Dashboard { return []Dashboard{Overview(), Merchant()} }

// Panels returns all panels in order.
func (d Dashboard) Panels() (all []Panel) {
	for _, r := range d.Rows {
		all = append(all, r.Panels...)
	}
	return all
}

// quantiles returns queries for p50, p95 and p99 of a histogram.
func quantiles(histogram, matchers, by string) (all []Query) {
	for _, q := range []struct{ name, phi string }{{"p50", "0.5"}, {"p95", "0.95"}, {"p99", "0.99"}} {
		all = append(all, Query{q.name + " {{" + by + "}}",
			"histogram_quantile(" + q.phi + ", sum by (le, " + by + ") (rate(" + histogram + "_bucket{" + matchers + "}[$__rate_interval])))"})
	}
	return all
}
