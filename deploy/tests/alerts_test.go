package deploy

import (
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/prometheus/prometheus/promql/parser"
	"sigs.k8s.io/yaml"
)

const (
	alertsFile  = "../prometheus/alerts.yml"
	runbookFile = "../../docs/runbook.md"
	runbookURL  = "https://github.com/qfpay-worker/qfpay-worker/blob/main/docs/runbook.md#"
)

// rule is an alert, or a recording rule if Record is set.
type rule struct {
	Record, Alert, Expr string
	For                 string
	Labels, Annotations map[string]string
}

func rules(t *testing.T) (all []rule) {
	t.Helper()
	text, err := os.ReadFile(alertsFile)
	if err != nil {
		t.Fatal(err)
	}
	var file struct{ Groups []struct{ Rules []rule } }
	if err := yaml.Unmarshal(text, &file); err != nil {
		t.Fatal(err)
	}
	for _, g := range file.Groups {
		all = append(all, g.Rules...)
	}
	return all
}

func alerts(t *testing.T) []rule {
	t.Helper()
	return slices.DeleteFunc(rules(t), func(r rule) bool { return r.Alert == "" })
}

// withRecorded adds the recorded metrics to those of the workers.
func withRecorded(t *testing.T, known series) series {
	t.Helper()
	for _, r := range rules(t) {
		if r.Record != "" {
			known[r.Record] = []string{"lane"}
		}
	}
	return known
}

func TestAlerts_PassTheirCasesInPromtool(t *testing.T) {
	t.Parallel()
	promtool, err := exec.LookPath("promtool")
	if err != nil {
		t.Fatal("promtool is missing; install it with: apt-get install prometheus (make test does)")
	}
	if out, err := exec.Command(promtool, "test", "rules", "../prometheus/alerts_test.yml").CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}

// Every alert fires in some test case; otherwise it may never fire.
func TestAlerts_EachFiresInSomeCase(t *testing.T) {
	cases, err := os.ReadFile("../prometheus/alerts_test.yml")
	if err != nil {
		t.Fatal(err)
	}
	for _, a := range alerts(t) {
		if !strings.Contains(string(cases), `alertname="`+a.Alert+`"`) {
			t.Errorf("%s fires in no case of alerts_test.yml", a.Alert)
		}
	}
}

func TestAlerts_AskForMetricsThatExist(t *testing.T) {
	known := withRecorded(t, exposition(t))
	for _, r := range rules(t) {
		expr, err := parser.NewParser(parser.Options{}).ParseExpr(r.Expr)
		if err != nil {
			t.Errorf("%s%s: %v", r.Alert, r.Record, err)
			continue
		}
		for _, problem := range known.problems(expr) {
			t.Errorf("%s%s: %s", r.Alert, r.Record, problem)
		}
	}
}

// An alert must have a severity, a summary, and a link to the runbook.
func TestAlerts_EachSaysHowBadItIsAndWhereToReadOn(t *testing.T) {
	for _, a := range alerts(t) {
		if s := a.Labels["severity"]; s != "critical" && s != "warning" {
			t.Errorf("%s: severity is %q", a.Alert, s)
		}
		if a.Annotations["summary"] == "" || a.Annotations["description"] == "" {
			t.Errorf("%s lacks a summary or a description", a.Alert)
		}
		if got, want := a.Annotations["runbook_url"], runbookURL+strings.ToLower(a.Alert); got != want {
			t.Errorf("%s: runbook_url is %q, want %q", a.Alert, got, want)
		}
	}
}

var section = regexp.MustCompile(`(?m)^### (Qfpay\w+)\n((?s:.*?))(?:^##|\z)`)

// Each alert has a complete section in the runbook, and there is no section of a removed alert.
func TestRunbook_HasOneSectionForEachAlert(t *testing.T) {
	text, err := os.ReadFile(runbookFile)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, a := range alerts(t) {
		names = append(names, a.Alert)
	}
	var sections []string
	for rest := string(text); ; {
		at := section.FindStringSubmatchIndex(rest)
		if at == nil {
			break
		}
		name, body := rest[at[2]:at[3]], rest[at[4]:at[5]]
		sections = append(sections, name)
		for _, part := range []string{"**Means.**", "**Look at.**", "**Do.**"} {
			if !strings.Contains(body, part) {
				t.Errorf("%s: the section has no %s", name, part)
			}
		}
		rest = rest[at[5]:]
	}
	slices.Sort(names)
	slices.Sort(sections)
	if !slices.Equal(names, sections) {
		t.Errorf("alerts and sections of the runbook differ:\n%q\n%q", names, sections)
	}
}
