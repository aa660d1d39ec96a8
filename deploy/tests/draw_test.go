package deploy

import (
	"image/color"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/palette/brewer"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/vg"

	"github.com/qfpay-worker/qfpay-worker/deploy/tests/dashboards"
)

// draw asks for the graphs of all dashboards as Grafana would, and draws them into a
// directory: what the panels show of this run. Series that are 0 throughout are left
// out, and a panel with none left is not drawn.
func (r *rig) draw(dir string, from time.Time) {
	r.t.Helper()
	if dir == "" {
		return
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		r.t.Fatal(err)
	}
	for _, d := range dashboards.All() {
		for _, p := range d.Panels() {
			if !p.Stat {
				r.drawPanel(dir, p, from)
			}
		}
	}
}

var noWord = regexp.MustCompile(`[^a-z0-9]+`)

func (r *rig) drawPanel(dir string, panel dashboards.Panel, from time.Time) {
	r.t.Helper()
	pic := plot.New()
	pic.Title.Text, pic.Y.Label.Text, pic.X.Label.Text = panel.Title, units[panel.Unit], "minutes"
	pic.Y.Min, pic.Legend.Top, pic.Legend.Left = 0, true, true
	pic.Add(plotter.NewGrid())
	step := max(time.Second, time.Since(from)/240).Round(time.Second)
	n := 0
	for _, q := range panel.Queries {
		lines := r.prom.since(r.t, from, step, inGrafana("20s").Replace(q.Expr))
		slices.SortFunc(lines, func(a, b line) int { return strings.Compare(name(q.Legend, a), name(q.Legend, b)) })
		for _, l := range lines {
			if slices.Max(l.value) == 0 {
				continue
			}
			drawn, err := plotter.NewLine(points(l, from))
			if err != nil {
				r.t.Fatal(err)
			}
			drawn.Color, drawn.Width = colour(n), vg.Points(1.5)
			n++
			pic.Add(drawn)
			pic.Legend.Add(name(q.Legend, l), drawn)
		}
	}
	if n == 0 {
		return
	}
	pic.Y.Max *= 1.05 + 0.06*float64(n) // room for the legend
	file := strings.Trim(noWord.ReplaceAllString(strings.ToLower(panel.Title), "-"), "-") + ".png"
	if err := pic.Save(18*vg.Centimeter, 9*vg.Centimeter, filepath.Join(dir, file)); err != nil {
		r.t.Fatal(err)
	}
}

var units = map[string]string{"s": "seconds", "ops": "a second", "percentunit": "share", "bytes": "bytes"}

func points(l line, from time.Time) plotter.XYs {
	xys := make(plotter.XYs, len(l.value))
	for i := range xys {
		xys[i] = plotter.XY{X: l.at[i].Sub(from).Minutes(), Y: l.value[i]}
	}
	return xys
}

func colour(n int) color.Color {
	p, err := brewer.GetPalette(brewer.TypeQualitative, "Set1", 9)
	if err != nil {
		panic(err)
	}
	all := p.Colors()
	return all[n%len(all)]
}

// name puts labels in the place of {{label}}.
func name(legend string, l line) string {
	for _, label := range slices.Sorted(maps.Keys(l.labels)) {
		legend = strings.ReplaceAll(legend, "{{"+label+"}}", l.labels[label])
	}
	return legend
}
