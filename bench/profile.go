package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

	"github.com/qfpay-worker/qfpay-worker/bench/rig"
)

// profileCmd writes profiles of a worker that processes a backlog.
type profileCmd struct {
	Module string `default:".." type:"existingdir" help:"Directory of the main module."`
	Dir    string `default:"." type:"existingdir" help:"Where cpu.prof and allocs.prof go."`
	Orders int    `default:"20000" help:"How many orders to go through for the CPU profile; a tenth for the allocations."`
}

// Run writes both profiles.
func (c *profileCmd) Run(ctx context.Context) error {
	r, err := rig.New(ctx, c.Module)
	if err != nil {
		return err
	}
	defer r.Close()
	s, err := newEnvironment(ctx, r, 0)
	if err != nil {
		return err
	}
	defer s.close()
	dir, err := filepath.Abs(c.Dir)
	if err != nil {
		return err
	}
	cpu, allocs := filepath.Join(dir, "cpu.prof"), filepath.Join(dir, "allocs.prof")
	if _, err := throughput(ctx, s, instrumented("--cpu", cpu), c.Orders); err != nil {
		return err
	}
	if _, err := throughput(ctx, s, instrumented("--allocs", allocs), c.Orders/10); err != nil {
		return err
	}
	fmt.Printf("wrote %s and %s; read them with: go tool pprof -top %s\n", cpu, allocs, cpu)
	return nil
}

// instrumented is our worker with instrumentation.
func instrumented(args ...string) candidate {
	c := ours()
	c.start = func(_ context.Context, s *environment) (*rig.Process, error) {
		self, err := os.Executable()
		if err != nil {
			return nil, err
		}
		return s.rig.Start("instrumented", nil, self, append([]string{"instrumented", "--redis", s.redis.Addr, "--gateway", s.gateway.URL}, args...)...)
	}
	return c
}
