package deploy

import (
	"encoding/json"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/prometheus/prometheus/promql/parser"
)

// dashboard is what these tests want to know of Grafana's JSON.
type dashboard struct {
	UID        string
	Panels     []panel
	Templating struct{ List []templateVariable }
}

type panel struct {
	ID                       int
	Type, Title, Description string
	GridPos                  struct{ H, W, X, Y int }
	Datasource               struct{ UID string }
	FieldConfig              struct{ Defaults struct{ Unit string } }
	Targets                  []struct{ RefID, Expr string }
}

type templateVariable struct{ Name, Type, Definition string }

func overview(t *testing.T) dashboard {
	t.Helper()
	text, err := os.ReadFile("../grafana/dashboards/overview.json")
	if err != nil {
		t.Fatal(err)
	}
	var d dashboard
	if err := json.Unmarshal(text, &d); err != nil {
		t.Fatal(err)
	}
	return d
}

// inGrafana puts in what Grafana puts in.
var inGrafana = strings.NewReplacer("$__rate_interval", "1m", "$merchant", ".*", "$lane", ".*")

// Every metric and every label that the dashboard asks for is one that the worker
// shows: a misspelt one would be an empty panel that looks like peace.
func TestPanelsAskForMetricsThatExist(t *testing.T) {
	known := exposition(t)
	for _, p := range overview(t).Panels {
		for _, target := range p.Targets {
			expr, err := parser.NewParser(parser.Options{}).ParseExpr(inGrafana.Replace(target.Expr))
			if err != nil {
				t.Errorf("%s: %v", p.Title, err)
				continue
			}
			for _, problem := range known.problems(expr) {
				t.Errorf("%s: %s in %s", p.Title, problem, target.Expr)
			}
		}
	}
}

func TestVariablesComeFromMetricsThatExist(t *testing.T) {
	known := exposition(t)
	for _, v := range overview(t).Templating.List {
		if v.Type != "query" {
			continue
		}
		inside, ok := strings.CutPrefix(strings.TrimSuffix(v.Definition, ")"), "label_values(")
		metric, label, ok2 := strings.Cut(inside, ", ")
		if !ok || !ok2 {
			t.Errorf("%s: %q is not label_values(metric, label)", v.Name, v.Definition)
			continue
		}
		if !slices.Contains(known[metric], label) {
			t.Errorf("%s: %s has no label %s", v.Name, metric, label)
		}
	}
}

func TestEveryPanelSaysWhatItShows(t *testing.T) {
	ids := map[int]string{}
	for _, p := range overview(t).Panels {
		if other, taken := ids[p.ID]; taken {
			t.Errorf("%s and %s have the same id", p.Title, other)
		}
		ids[p.ID] = p.Title
		if p.Type == "row" {
			continue
		}
		if p.Title == "" || p.Description == "" || p.FieldConfig.Defaults.Unit == "" || len(p.Targets) == 0 {
			t.Errorf("panel %d %q lacks a title, a description, a unit or a query", p.ID, p.Title)
		}
		if p.Datasource.UID != "${datasource}" {
			t.Errorf("%s: its data source cannot be chosen", p.Title)
		}
	}
}

func TestPanelsDoNotOverlap(t *testing.T) {
	taken := map[[2]int]string{}
	for _, p := range overview(t).Panels {
		if p.GridPos.X+p.GridPos.W > 24 {
			t.Errorf("%s: reaches over the edge", p.Title)
		}
		for x := range p.GridPos.W {
			for y := range p.GridPos.H {
				cell := [2]int{p.GridPos.X + x, p.GridPos.Y + y}
				if other, ok := taken[cell]; ok {
					t.Fatalf("%s lies over %s", p.Title, other)
				}
				taken[cell] = p.Title
			}
		}
	}
}
