// Command bench measures the worker beside alternatives, each in its own process, and prints the
// figures. Figures are only comparable within one run on one machine.
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/alecthomas/kong"
)

// cli is the command line. A comparison of another kind is another command.
type cli struct {
	Speed   speedCmd   `cmd:"" help:"Latency, throughput, Redis calls, memory and growth, beside a plain asynq handler."`
	Quota   quotaCmd   `cmd:"" help:"Check that the limits are kept and used up, beside other limiters; half an hour."`
	Soak    soakCmd    `cmd:"" help:"Watch a loaded worker's memory, goroutines, files and keys for a while; fail when they grow."`
	Profile profileCmd `cmd:"" help:"Write CPU and allocation profiles of the happy path."`

	Baseline     baselineCmd     `cmd:"" hidden:"" help:"The plain asynq handler; speed starts it."`
	StubGateway  stubGatewayCmd  `cmd:"" hidden:"" help:"A gateway that accepts every create and stores nothing; speed starts it."`
	Instrumented instrumentedCmd `cmd:"" hidden:"" help:"A worker that records its own times; speed and profile start it."`
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	var commands cli
	chosen := kong.Parse(&commands, kong.Name("bench"),
		kong.Description("Measures qfpay-worker. Needs Go and redis-server; runs everything on loopback."),
		kong.BindTo(ctx, (*context.Context)(nil)))
	if err := chosen.Run(); err != nil {
		stop()
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}
