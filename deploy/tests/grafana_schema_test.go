package deploy

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/grafana/grafana-foundation-sdk/go/cog"
	"github.com/grafana/grafana-foundation-sdk/go/dashboard"
	promquery "github.com/grafana/grafana-foundation-sdk/go/prometheus"
	"github.com/grafana/grafana-foundation-sdk/go/stat"
	"github.com/grafana/grafana-foundation-sdk/go/timeseries"

	"github.com/qfpay-worker/qfpay-worker/deploy/tests/dashboards"
)

// Grafana's own schema knows every field of the dashboards, their panels and queries, and its type. Grafana
// itself ignores a field that it does not know, and draws the panel without it.
func TestDashboard_IsWhatGrafanasSchemaAllows(t *testing.T) {
	registerSchemas()
	for _, d := range dashboards.All() {
		text, err := os.ReadFile(filepath.Join(dashboardDir, d.File))
		if err != nil {
			t.Fatal(err)
		}
		if problems := outsideSchema(string(text)); problems != "" {
			t.Errorf("%s: %s", d.File, problems)
		}
		for from, to := range map[string]string{
			`"refresh":`:           `"refreshing":`,
			`"fieldConfig": {`:     `"fieldConfiguration": {`,
			`"expr":`:              `"expression":`,
			`"type": "timeseries"`: `"type": 3`,
			`"timeseries"`:         `"gauge"`,
		} {
			wrong := strings.ReplaceAll(string(text), from, to)
			if wrong == string(text) || outsideSchema(wrong) == "" {
				t.Errorf("%s: the schema takes %s", d.File, to)
			}
		}
	}
}

// registerSchemas makes known what the dashboards have: two kinds of panels, and one of queries. All schemas of
// the SDK, which has a function for that, take a minute to compile.
func registerSchemas() {
	r := cog.NewRuntime()
	r.RegisterPanelcfgVariant(stat.VariantConfig())
	r.RegisterPanelcfgVariant(timeseries.VariantConfig())
	r.RegisterDataqueryVariant(promquery.VariantConfig())
}

// outsideSchema returns what the schema does not allow, a line each. The decoder returns an error also
// when it has found nothing: an empty one. It takes anything in a panel or a query of a kind that is not registered.
func outsideSchema(text string) string {
	//lint:ignore SA1019 the files have this version of the schema
	var d dashboard.Dashboard
	if err := d.UnmarshalJSONStrict([]byte(text)); err != nil && err.Error() != "" {
		return err.Error()
	}
	if err := json.Unmarshal([]byte(text), &d); err != nil { // which also keeps the panels
		return err.Error()
	}
	var unknown []string
	for _, p := range d.Panels {
		if p.Panel == nil {
			continue
		}
		if _, is := cog.NewRuntime().ConfigForPanelcfgVariant(p.Panel.Type); !is {
			unknown = append(unknown, "no schema is registered for panels of type "+p.Panel.Type)
		}
		for _, query := range p.Panel.Targets {
			if _, is := query.(*promquery.Dataquery); !is {
				unknown = append(unknown, "no schema is registered for a query of "+*p.Panel.Title)
			}
		}
	}
	return strings.Join(unknown, "\n")
}
