package deploy

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/grafana/grafana-foundation-sdk/go/cog/plugins"
	"github.com/grafana/grafana-foundation-sdk/go/dashboard"

	"github.com/qfpay-worker/qfpay-worker/deploy/tests/dashboards"
)

// Grafana's own schema knows every field of the dashboards, their panels and queries, and its type. Grafana
// itself ignores a field that it does not know, and draws the panel without it.
func TestDashboard_IsWhatGrafanasSchemaAllows(t *testing.T) {
	plugins.RegisterDefaultPlugins()
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
		} {
			wrong := strings.Replace(string(text), from, to, 1)
			if wrong == string(text) || outsideSchema(wrong) == "" {
				t.Errorf("%s: the schema takes %s", d.File, to)
			}
		}
	}
}

// outsideSchema returns what the schema does not allow, a line each. The decoder returns an error also
// when it has found nothing: an empty one.
func outsideSchema(text string) string {
	//lint:ignore SA1019 the files have this version of the schema
	if err := new(dashboard.Dashboard).UnmarshalJSONStrict([]byte(text)); err != nil {
		return err.Error()
	}
	return ""
}
