// Command qfpay-sandbox is for trying and testing qfpay-worker. It has a demonstration that
// needs only Go, and a simulator of the QFPay gateway on a port. The embedded Redis and the
// simulator are not part of qfpay-worker.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/alecthomas/kong"
	"github.com/redis/go-redis/v9/logging"

	"github.com/qfpay-worker/qfpay-worker/cmd/internal/build"
	"github.com/qfpay-worker/qfpay-worker/internal/printable"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	code := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	os.Exit(code)
}

// cli is the command line.
type cli struct {
	Demo      DemoCmd      `cmd:"" help:"Watch orders become QR codes: Redis, gateway and worker in this one process. Nothing is stored."`
	Simulator SimulatorCmd `cmd:"" help:"Simulate the QFPay gateway on a port."`
	Probe     ProbeCmd     `cmd:"" help:"Find out with test credentials what QFPay's documents leave open, and write settings for qfpay-worker."`
	Version   VersionCmd   `cmd:"" help:"Print version, commit and Go version."`

	ShowVersion versionFlag `name:"version" help:"Print version, commit and Go version."`
}

// run is the whole program. It returns the exit code: 0 done, 1 something outside failed, 2
// invalid usage or input.
func run(ctx context.Context, args []string, out, err io.Writer) int {
	logging.Disable() // the embedded Redis ends before its clients do
	var commands cli
	helped := false
	parser := kong.Must(&commands,
		kong.Name("qfpay-sandbox"),
		kong.Description("Tries out qfpay-worker without a gateway, without a Redis and without money."),
		kong.Writers(out, err),
		kong.Exit(func(int) { helped = true }),
		kong.ConfigureHelp(kong.HelpOptions{WrapUpperBound: 100}),
		kong.BindTo(ctx, (*context.Context)(nil)),
		kong.Resolvers(kong.ResolverFunc(fromEnvironment)),
		kong.ValueFormatter(withVariable),
		kong.Bind(stdio{os.Stdin, out, err}),
	)
	if len(args) > 0 && args[0] == "help" { // people try it
		args = append(args[1:len(args):len(args)], "--help")
	}
	chosen, wrong := parser.Parse(args)
	says := printable.Writer(err)
	switch {
	case helped:
		return 0
	case wrong != nil:
		fmt.Fprintf(says, "qfpay-sandbox: %v (see qfpay-sandbox --help)\n", wrong)
		return 2
	}
	switch failed := chosen.Run(); {
	case failed == nil:
		return 0
	case errors.Is(failed, errInput):
		fmt.Fprintln(says, "qfpay-sandbox:", failed)
		return 2
	default:
		fmt.Fprintln(says, "qfpay-sandbox:", failed)
		return 1
	}
}

// variable returns the environment variable of a flag, or "": --qfpay-app-code is QFPAY_APP_CODE, as
// for qfpay-worker.
func variable(flag string) string {
	if !strings.HasPrefix(flag, "qfpay-") {
		return ""
	}
	return strings.ToUpper(strings.ReplaceAll(flag, "-", "_"))
}

// fromEnvironment returns the value of a flag that was not given. An empty variable counts as not
// set.
func fromEnvironment(_ *kong.Context, _ *kong.Path, flag *kong.Flag) (any, error) {
	if name := variable(flag.Name); name != "" {
		if value := os.Getenv(name); value != "" {
			return strings.TrimSuffix(value, "\r"), nil
		}
	}
	return nil, nil
}

// withVariable adds the environment variable to the help of a flag.
func withVariable(value *kong.Value) string {
	if v := variable(value.Name); v != "" {
		return value.Help + " [" + v + "]"
	}
	return kong.DefaultHelpValueFormatter(value)
}

// versionFlag is the flag --version.
type versionFlag bool

// BeforeReset prints the version, and ends the program before kong misses a command.
func (versionFlag) BeforeReset(app *kong.Kong, std stdio) error {
	err := VersionCmd{}.Run(std)
	app.Exit(0)
	return err
}

// VersionCmd prints the version and commit that this binary was built from.
type VersionCmd struct{}

// Run implements the command.
func (VersionCmd) Run(std stdio) error {
	_, err := fmt.Fprintln(std.out, "qfpay-sandbox", build.Read())
	return err
}
