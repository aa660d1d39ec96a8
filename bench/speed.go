package main

import (
	"context"
	"fmt"
	"os"
	"runtime"
	"slices"
	"time"

	"github.com/qfpay-worker/qfpay-worker/bench/rig"
)

// speedCmd measures everything about speed and prints one table.
type speedCmd struct {
	Module string   `default:".." type:"existingdir" help:"Directory of the main module."`
	Pairs  int      `default:"5" help:"How often each comparison is made; figures are medians."`
	Only   []string `help:"Sections to run: ${enum}. Default: all." enum:"idle,cost,throughput,calls,load,bulk,growth"`
	Plots  string   `type:"existingdir" help:"Directory to draw the plots into."`
	Quick  bool     `help:"A smoke test in seconds: its figures mean nothing."`
	Set    []string `placeholder:"NAME=VALUE" help:"Further settings of the worker, to see what they do to its throughput."`
	Most   int      `default:"1000000" help:"Orders of the largest backlog."`
}

// section is one part of the table.
type section struct {
	name    string
	measure func(context.Context, *speedRun) error
}

var sections = []section{
	{"idle", measureIdle},
	{"cost", measureIdleCost},
	{"throughput", measureThroughput},
	{"calls", measureCalls},
	{"load", measureLoad},
	{"bulk", measureBulk},
	{"growth", measureGrowth},
}

// speedRun is one run of the command: its rig, its sizes, and its table.
type speedRun struct {
	*speedCmd
	rig   *rig.Rig
	table *table
	sizes sizes
}

// sizes are the sizes of the measurements: large enough for stable figures, in ten minutes in all.
type sizes struct {
	idleOrders, pollOrders, lazyOrders int           // latency samples per pair: ours, polling, asynq's default
	watch                              time.Duration // how long an idle worker is watched
	throughput                         int           // orders a run
	weighed                            int           // orders whose memory is measured
	load                               time.Duration // how long a step of a steady load lasts
	firstRate                          float64       // of it, orders a second, to begin with
	steps                              int           // by which it rises, at most
	singles                            int           // orders enqueued one by one; ten times as many in bulk
	growth                             int           // orders gone through with each backlog
}

var (
	full = sizes{idleOrders: 400, pollOrders: 100, lazyOrders: 15, watch: 30 * time.Second, throughput: 10_000, weighed: 10_000,
		load: 8 * time.Second, firstRate: 800, steps: 7, singles: 10_000, growth: 5000}
	quick = sizes{idleOrders: 20, pollOrders: 10, lazyOrders: 1, watch: time.Second, throughput: 500, weighed: 500,
		load: time.Second, firstRate: 100, steps: 1, singles: 500, growth: 300}
)

// Run measures and prints. It reports missed goals, but they are not errors: a benchmark is not a
// test.
func (c *speedCmd) Run(ctx context.Context) error {
	r, err := rig.New(ctx, c.Module)
	if err != nil {
		return err
	}
	defer r.Close()
	run := &speedRun{speedCmd: c, rig: r, table: &table{out: os.Stdout}, sizes: full}
	if c.Quick {
		run.sizes, c.Pairs, c.Most = quick, 1, 20_000
	}
	fmt.Printf("%d CPUs, %s, medians of %d pairs\n", runtime.NumCPU(), runtime.Version(), c.Pairs)
	began := time.Now()
	for _, s := range sections {
		if len(c.Only) > 0 && !slices.Contains(c.Only, s.name) {
			continue
		}
		if err := s.measure(ctx, run); err != nil {
			return fmt.Errorf("%s: %w", s.name, err)
		}
	}
	run.table.close()
	fmt.Printf("took %s\n", time.Since(began).Round(time.Second))
	return nil
}
