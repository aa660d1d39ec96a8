package deploy

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/promql/parser"
)

// series are the metrics of a worker with their labels.
type series map[string][]string

// exposition reads the golden file of package metrics.
func exposition(t *testing.T) series {
	t.Helper()
	f, err := os.Open("../../metrics/testdata/metrics.prom")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	text := expfmt.NewTextParser(model.UTF8Validation)
	families, err := text.TextToMetricFamilies(f)
	if err != nil {
		t.Fatal(err)
	}
	s := series{}
	for name, family := range families {
		names := []string{"job", "instance"} // added by Prometheus
		for _, l := range family.GetMetric()[0].GetLabel() {
			names = append(names, l.GetName())
		}
		if family.GetMetric()[0].GetHistogram() == nil {
			s[name] = names
			continue
		}
		s[name+"_sum"], s[name+"_count"] = names, names
		s[name+"_bucket"] = append(slices.Clone(names), "le")
	}
	return s
}

// problems returns the metrics and labels of an expression that do not exist.
func (s series) problems(expr parser.Expr) (found []string) {
	parser.Inspect(expr, func(node parser.Node, _ []parser.Node) error {
		switch n := node.(type) {
		case *parser.VectorSelector:
			names, ok := s[n.Name]
			if !ok {
				found = append(found, fmt.Sprintf("no metric %q", n.Name))
			}
			for _, m := range n.LabelMatchers {
				if m.Name != model.MetricNameLabel && ok && !slices.Contains(names, m.Name) {
					found = append(found, fmt.Sprintf("%s has no label %q", n.Name, m.Name))
				}
			}
		case *parser.AggregateExpr:
			found = append(found, s.groupingProblems(n)...)
		}
		return nil
	})
	return found
}

// groupingProblems returns the labels of a "by" that no metric under it has.
func (s series) groupingProblems(e *parser.AggregateExpr) (found []string) {
	for _, label := range e.Grouping {
		var has bool
		parser.Inspect(e.Expr, func(node parser.Node, _ []parser.Node) error {
			if v, ok := node.(*parser.VectorSelector); ok {
				has = has || slices.Contains(s[v.Name], label)
			}
			return nil
		})
		if !has {
			found = append(found, fmt.Sprintf("nothing has the label %q of by (%s)", label, strings.Join(e.Grouping, ", ")))
		}
	}
	return found
}
