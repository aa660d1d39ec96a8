package main

import (
	"fmt"
	"image/color"
	"path/filepath"
	"slices"
	"time"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/plotutil"
	"gonum.org/v1/plot/vg"
)

// The size of every plot.
const (
	plotWidth  = 18 * vg.Centimeter
	plotHeight = 11 * vg.Centimeter
)

// newPlot returns an empty plot with a grid.
func newPlot(title, x, y string) *plot.Plot {
	p := plot.New()
	p.Title.Text, p.X.Label.Text, p.Y.Label.Text = title, x, y
	p.Title.Padding, p.X.Padding, p.Y.Padding = vg.Points(8), vg.Points(4), vg.Points(4)
	grid := plotter.NewGrid()
	grid.Horizontal.Color, grid.Vertical.Color = color.Gray{225}, color.Gray{225}
	p.Add(grid)
	return p
}

// plotLatency draws the share of orders with a result over time.
func (run *speedRun) plotLatency(candidates []candidate, took [][]time.Duration) error {
	if run.Plots == "" {
		return nil
	}
	p := newPlot("An idle worker: from enqueue to result, gateway answering at once", "milliseconds (logarithmic)", "share of orders with a result, %")
	p.X.Scale, p.X.Tick.Marker = plot.LogScale{}, plot.LogTicks{Prec: -1}
	for i, c := range candidates {
		sorted := slices.Sorted(slices.Values(took[i]))
		points := make(plotter.XYs, len(sorted))
		for k, d := range sorted {
			points[k] = plotter.XY{X: float64(d) / 1e6, Y: 100 * float64(k+1) / float64(len(sorted))}
		}
		if err := addLine(p, i, c.name, points); err != nil {
			return err
		}
	}
	p.Y.Min, p.Y.Max = 0, 100
	p.Y.Tick.Marker = everyQuarter
	p.Legend.XOffs = -3 * vg.Centimeter // the curve of the default is in the corner
	return p.Save(plotWidth, plotHeight, filepath.Join(run.Plots, "latency.png"))
}

// everyQuarter are the ticks of a share.
var everyQuarter = plot.ConstantTicks{{Value: 0, Label: "0"}, {Value: 25, Label: "25"}, {Value: 50, Label: "50"},
	{Value: 75, Label: "75"}, {Value: 100, Label: "100"}}

// plotGrowth draws the cost of an order over the number of waiting orders.
func (run *speedRun) plotGrowth(levels []int, costs []throughputs) error {
	if run.Plots == "" {
		return nil
	}
	p := newPlot("Cost of an order while others wait", "orders waiting (logarithmic)", "CPU an order, µs")
	p.X.Scale, p.X.Tick.Marker = plot.LogScale{}, plot.LogTicks{Prec: -1}
	p.Y.Min = 0
	for i, one := range []struct {
		name string
		of   func(throughputs) []time.Duration
	}{
		{"worker", func(t throughputs) []time.Duration { return t.worker }},
		{"redis-server", func(t throughputs) []time.Duration { return t.redis }},
		{"both", func(t throughputs) []time.Duration { return t.cpu }},
	} {
		points := make(plotter.XYs, len(levels))
		for k, n := range levels {
			points[k] = plotter.XY{X: float64(n), Y: float64(median(one.of(costs[k]))) / 1e3}
			p.Y.Max = max(p.Y.Max, points[k].Y*1.25)
		}
		if err := addLine(p, i, one.name, points); err != nil {
			return err
		}
	}
	p.Legend.Top = true
	return p.Save(plotWidth, plotHeight, filepath.Join(run.Plots, "growth.png"))
}

func addLine(p *plot.Plot, i int, name string, points plotter.XYs) error {
	l, err := plotter.NewLine(points)
	if err != nil {
		return fmt.Errorf("plot of %s: %w", name, err)
	}
	l.Width, l.Color = vg.Points(1.8), plotutil.Color(i)
	p.Add(l)
	p.Legend.Add(name, l)
	return nil
}
