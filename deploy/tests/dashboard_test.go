package deploy

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/prometheus/prometheus/promql/parser"

	"github.com/qfpay-worker/qfpay-worker/deploy/tests/dashboards"
)

var update = flag.Bool("update", false, "write the dashboards again")

const dashboardDir = "../grafana/dashboards"

// Grafana's files are exactly those that package dashboards describes.
func TestDashboard_FilesAreAsDescribed(t *testing.T) {
	var want []string
	for _, d := range dashboards.All() {
		want = append(want, d.File)
		text, err := d.JSON()
		if err != nil {
			t.Fatal(err)
		}
		file := filepath.Join(dashboardDir, d.File)
		if *update {
			if err := os.WriteFile(file, text, 0o644); err != nil {
				t.Fatal(err)
			}
		}
		if committed, err := os.ReadFile(file); err != nil || !bytes.Equal(committed, text) {
			t.Errorf("%s is not what package dashboards describes (error %v): run go test -run Described -update in deploy/tests", d.File, err)
		}
	}
	var got []string
	entries, err := os.ReadDir(dashboardDir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		got = append(got, e.Name())
	}
	slices.Sort(want)
	if !slices.Equal(got, want) {
		t.Errorf("%s has %q, want %q", dashboardDir, got, want)
	}
}

// inGrafana replaces variables like Grafana.
func inGrafana(rateInterval string) *strings.Replacer {
	return strings.NewReplacer("$__rate_interval", rateInterval, "$merchant", ".*", "$lane", ".*")
}

// The worker has every metric and every label that a dashboard uses: with a misspelt one, a panel
// would be empty and look as if all were well.
func TestDashboard_PanelsAskForMetricsThatExist(t *testing.T) {
	known := exposition(t)
	for _, d := range dashboards.All() {
		for _, p := range d.Panels() {
			for _, q := range p.Queries {
				expr, err := parser.NewParser(parser.Options{}).ParseExpr(inGrafana("1m").Replace(q.Expr))
				if err != nil {
					t.Errorf("%s: %v", p.Title, err)
					continue
				}
				for _, problem := range known.problems(expr) {
					t.Errorf("%s: %s in %s", p.Title, problem, q.Expr)
				}
			}
		}
	}
}

// Every metric of the worker is on a dashboard or in an alert; otherwise nobody would see it.
func TestDashboard_EveryMetricIsOnOneOrInAnAlert(t *testing.T) {
	var asked strings.Builder
	for _, d := range dashboards.All() {
		text, err := d.JSON()
		if err != nil {
			t.Fatal(err)
		}
		asked.Write(text)
	}
	for _, r := range rules(t) {
		asked.WriteString(r.Expr)
	}
	left := map[string]string{
		"qfpay_order_wait_seconds": "Time to QR has it in it, and Age says when it is long",
	}
	for name := range exposition(t) {
		base := strings.TrimSuffix(strings.TrimSuffix(strings.TrimSuffix(name, "_bucket"), "_sum"), "_count")
		if left[base] == "" && !strings.Contains(asked.String(), base) {
			t.Errorf("%s is nowhere", name)
		}
	}
}

// page is the part of Grafana's JSON that these tests use.
type page struct {
	Panels []struct {
		ID                       int
		Type, Title, Description string
		GridPos                  struct{ H, W, X, Y int }
		Datasource               struct{ UID string }
		FieldConfig              struct{ Defaults struct{ Unit string } }
		Targets                  []struct{ RefID, Expr string }
	}
	Templating struct {
		List []struct{ Name, Type, Definition string }
	}
}

func pages(t *testing.T) map[string]page {
	t.Helper()
	all := map[string]page{}
	for _, d := range dashboards.All() {
		text, err := os.ReadFile(filepath.Join(dashboardDir, d.File))
		if err != nil {
			t.Fatal(err)
		}
		var p page
		if err := json.Unmarshal(text, &p); err != nil {
			t.Fatal(err)
		}
		all[d.Title] = p
	}
	return all
}

func TestDashboard_VariablesComeFromMetricsThatExist(t *testing.T) {
	known := exposition(t)
	for title, p := range pages(t) {
		var names []string
		for _, v := range p.Templating.List {
			names = append(names, v.Name)
			if v.Type != "query" {
				continue
			}
			inside, ok := strings.CutPrefix(strings.TrimSuffix(v.Definition, ")"), "label_values(")
			metric, label, ok2 := strings.Cut(inside, ", ")
			if !ok || !ok2 || !slices.Contains(known[metric], label) {
				t.Errorf("%s: %s: %q is not label_values(metric, label) of what there is", title, v.Name, v.Definition)
			}
		}
		if !slices.Equal(names, []string{"datasource", "merchant", "lane"}) {
			t.Errorf("%s: variables %q", title, names)
		}
	}
}

func TestDashboard_EveryPanelSaysWhatItShows(t *testing.T) {
	for title, page := range pages(t) {
		ids, taken := map[int]bool{}, map[[2]int]string{}
		for _, p := range page.Panels {
			if ids[p.ID] {
				t.Errorf("%s: the id of %s is taken", title, p.Title)
			}
			ids[p.ID] = true
			for x := range p.GridPos.W {
				for y := range p.GridPos.H {
					cell := [2]int{p.GridPos.X + x, p.GridPos.Y + y}
					if other, ok := taken[cell]; ok || cell[0] >= 24 {
						t.Fatalf("%s: %s lies over %s or over the edge", title, p.Title, other)
					}
					taken[cell] = p.Title
				}
			}
			if p.Type == "row" {
				continue
			}
			if p.Title == "" || p.Description == "" || p.FieldConfig.Defaults.Unit == "" || len(p.Targets) == 0 {
				t.Errorf("%s: panel %d %q lacks a title, a description, a unit or a query", title, p.ID, p.Title)
			}
			if p.Datasource.UID != "${datasource}" {
				t.Errorf("%s: the data source of %s cannot be chosen", title, p.Title)
			}
		}
	}
}

func TestDashboard_PanelsLeadToSectionsOfTheRunbook(t *testing.T) {
	var names []string
	for _, a := range alerts(t) {
		names = append(names, a.Alert)
	}
	for _, d := range dashboards.All() {
		for _, p := range d.Panels() {
			if !slices.Contains(names, p.Runbook) {
				t.Errorf("%s: there is no alert %q", p.Title, p.Runbook)
			}
		}
	}
}

var namedPanel = regexp.MustCompile(`\*(Overview|Merchant & gateway)\*((?:, "[^"]+"| and "[^"]+")+)`)

// All processes report the same figures of Redis: as a sum, three workers would count each order
// three times.
func TestQueries_MetricsThatEveryProcessShowsAreNeverAddedUp(t *testing.T) {
	perShard := regexp.MustCompile(`^qfpay_(queue_.*|orders_unsettled|due_late_seconds|results_.*|requests_.*|redis_(memory|evicted|aof)_.*|limiter_limit|limiter_used_ratio|merchant_held|merchant_paused|orders_scheduled|orders_closing|closing_late_seconds)$`)
	found := 0
	check := func(where, text string) {
		expr, err := parser.NewParser(parser.Options{}).ParseExpr(text)
		if err != nil {
			t.Fatalf("%s: %v", where, err)
		}
		parser.Inspect(expr, func(node parser.Node, path []parser.Node) error {
			v, ok := node.(*parser.VectorSelector)
			if !ok || !perShard.MatchString(v.Name) {
				return nil
			}
			found++
			for _, over := range slices.Backward(path) {
				switch over := over.(type) {
				case *parser.AggregateExpr:
					if over.Op != parser.MAX && over.Op != parser.MIN {
						t.Errorf("%s: %s of %s, which every process shows: %s", where, over.Op, v.Name, text)
					}
					return nil
				case *parser.Call:
					if over.Func.Name == "absent" {
						return nil
					}
				}
			}
			t.Errorf("%s: %s stands once for every process: %s", where, v.Name, text)
			return nil
		})
	}
	for _, r := range rules(t) {
		check(r.Alert+r.Record, r.Expr)
	}
	for _, d := range dashboards.All() {
		for _, p := range d.Panels() {
			for _, q := range p.Queries {
				check(p.Title, inGrafana("1m").Replace(q.Expr))
			}
		}
	}
	for _, trigger := range build(t, "keda")["ScaledObject"].(*scaledObject).Spec.Triggers {
		check("KEDA: "+trigger.Name, trigger.Metadata["query"])
	}
	if found < 30 {
		t.Errorf("only %d selectors were looked at", found)
	}
}

// The runbook names only existing panels.
func TestRunbook_NamesPanelsThatExist(t *testing.T) {
	text, err := os.ReadFile(runbookFile)
	if err != nil {
		t.Fatal(err)
	}
	flat := strings.Join(strings.Fields(string(text)), " ")
	found := 0
	for _, m := range namedPanel.FindAllStringSubmatch(flat, -1) {
		for _, name := range regexp.MustCompile(`"([^"]+)"`).FindAllStringSubmatch(m[2], -1) {
			found++
			has := slices.ContainsFunc(dashboards.All(), func(d dashboards.Dashboard) bool {
				return strings.HasSuffix(d.Title, m[1]) && slices.ContainsFunc(d.Panels(),
					func(p dashboards.Panel) bool { return strings.HasPrefix(p.Title, strings.TrimSuffix(name[1], ",")) })
			})
			if !has {
				t.Errorf("%s has no panel %s", m[1], name[1])
			}
		}
	}
	if found < 10 {
		t.Errorf("only %d panels are named", found)
	}
}

// The documents contain only existing pictures, files and sections.
func TestDocs_LinksLeadSomewhere(t *testing.T) {
	pages, err := filepath.Glob(filepath.Join(root, "docs", "*.md"))
	if err != nil {
		t.Fatal(err)
	}
	found := 0
	for _, page := range append(pages, filepath.Join(root, "README.md")) {
		text, err := os.ReadFile(page)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range regexp.MustCompile(`\]\(([^)\s#]*)(#[^)\s]*)?\)`).FindAllStringSubmatch(string(text), -1) {
			if strings.Contains(m[1], "://") {
				continue
			}
			found++
			file := page
			if m[1] != "" {
				file = filepath.Join(filepath.Dir(page), m[1])
			}
			if _, err := os.Stat(file); err != nil {
				t.Errorf("%s: %v", page, err)
			} else if m[2] != "" && !slices.Contains(anchors(t, file), m[2]) {
				t.Errorf("%s: %s has no section %s", page, file, m[2])
			}
		}
	}
	if found < 50 {
		t.Errorf("only %d links", found)
	}
}

// anchors returns the anchors that GitHub generates for the headings of a page.
func anchors(t *testing.T, file string) (all []string) {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range regexp.MustCompile(`(?m)^#+ (.*)$`).FindAllStringSubmatch(string(text), -1) {
		kept := regexp.MustCompile(`[^\p{L}\p{N} _-]`).ReplaceAllString(strings.ToLower(m[1]), "")
		all = append(all, "#"+strings.ReplaceAll(kept, " ", "-"))
	}
	return all
}
