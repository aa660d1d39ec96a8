package deploy

import (
	"errors"
	"fmt"
	"image/color"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/palette/brewer"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
	"gonum.org/v1/plot/vg/vgimg"

	"github.com/qfpay-worker/qfpay-worker/deploy/tests/dashboards"
)

// draw queries the graphs of all dashboards like Grafana, and draws them into a directory, as the
// panels show this run. It omits series that are always 0, and panels without other series.
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
	pic, legend, styles := plot.New(), plot.NewLegend(), styles{}
	pic.Title.Text, pic.Y.Label.Text, pic.X.Label.Text = panel.Title, units[panel.Unit], "minutes"
	pic.Y.Min, pic.X.Tick.Marker = 0, minutes(time.Since(from).Minutes())
	pic.Add(plotter.NewGrid())
	legend.Top, legend.Left, legend.ThumbnailWidth = true, true, vg.Centimeter
	step := max(time.Second, time.Since(from)/240).Round(time.Second)
	for _, q := range panel.Queries {
		lines := r.prom.since(r.t, from, step, inGrafana("20s").Replace(q.Expr))
		slices.SortFunc(lines, func(a, b line) int { return strings.Compare(name(q.Legend, a), name(q.Legend, b)) })
		for _, l := range lines {
			if slices.Max(l.value) == 0 {
				continue
			}
			style := styles.next(l)
			for i, part := range unbroken(l, from, step) {
				drawn := &plotter.Line{XYs: part, LineStyle: style}
				pic.Add(drawn)
				if i == 0 {
					legend.Add(name(q.Legend, l), drawn)
				}
			}
		}
	}
	if len(styles) == 0 {
		return
	}
	pic.Y.Max *= 1.05
	file := strings.Trim(noWord.ReplaceAllString(strings.ToLower(panel.Title), "-"), "-") + ".png"
	if err := save(pic, legend, filepath.Join(dir, file)); err != nil {
		r.t.Fatal(err)
	}
}

// save draws the legend beside the graph, where it does not cover anything.
func save(pic *plot.Plot, legend plot.Legend, file string) error {
	canvas := vgimg.New(20*vg.Centimeter, 9*vg.Centimeter)
	all := draw.New(canvas)
	width := legend.Rectangle(all).Size().X
	const gap = vg.Centimeter / 2
	pic.Draw(draw.Crop(all, 0, -width-2*gap, 0, 0))
	legend.Draw(draw.Crop(all, all.Rectangle.Size().X-width-gap, 0, 0, -vg.Centimeter))
	out, err := os.Create(file)
	if err != nil {
		return err
	}
	_, err = vgimg.PngCanvas{Canvas: canvas}.WriteTo(out)
	return errors.Join(err, out.Close())
}

// styles are the assigned styles by the labels of the series. Series with the same labels, such as
// the percentiles of one endpoint, have the same colour and different dashes.
type styles map[string]struct{ colour, times int }

var dashes = [][]vg.Length{nil, {vg.Points(5), vg.Points(2)}, {vg.Points(1.5), vg.Points(2)}}

func (s styles) next(l line) draw.LineStyle {
	key := fmt.Sprint(l.labels)
	given, ok := s[key]
	if !ok {
		given.colour = len(s)
	}
	style := draw.LineStyle{Color: colour(given.colour), Width: vg.Points(1.5),
		Dashes: dashes[(given.times+given.colour/colours)%len(dashes)]}
	given.times++
	s[key] = given
	return style
}

// minutes puts a tick at whole minutes.
func minutes(length float64) plot.ConstantTicks {
	every, ticks := 1+int(length/8), plot.ConstantTicks{}
	for m := 0; float64(m) <= length; m += every {
		ticks = append(ticks, plot.Tick{Value: float64(m), Label: strconv.Itoa(m)})
	}
	return ticks
}

var units = map[string]string{"s": "seconds", "ops": "a second", "percentunit": "share", "bytes": "bytes"}

// unbroken returns the parts of a line without gaps. If gaps were drawn, they would look like a
// slope.
func unbroken(l line, from time.Time, step time.Duration) (parts []plotter.XYs) {
	for i, at := range l.at {
		if i == 0 || at.Sub(l.at[i-1]) > step+step/2 {
			parts = append(parts, nil)
		}
		last := &parts[len(parts)-1]
		*last = append(*last, plotter.XY{X: at.Sub(from).Minutes(), Y: l.value[i]})
	}
	return parts
}

const colours = 8

func colour(n int) color.Color {
	p, err := brewer.GetPalette(brewer.TypeQualitative, "Dark2", colours)
	if err != nil {
		panic(err)
	}
	return p.Colors()[n%colours]
}

// name replaces {{label}} with its value.
func name(legend string, l line) string {
	for _, label := range slices.Sorted(maps.Keys(l.labels)) {
		legend = strings.ReplaceAll(legend, "{{"+label+"}}", l.labels[label])
	}
	return legend
}
