package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/alecthomas/kong"
	"github.com/redis/go-redis/v9/logging"

	"github.com/qfpay-worker/qfpay-worker/cmd/internal/build"
	"github.com/qfpay-worker/qfpay-worker/internal/printable"
)

// cli is the command line.
type cli struct {
	Run     RunCmd     `cmd:"" help:"Run the worker: create the payments of the queue, publish their results, serve metrics and health."`
	Enqueue EnqueueCmd `cmd:"" help:"Check the orders of a CSV or NDJSON file and enqueue them."`
	Results ResultsCmd `cmd:"" help:"Read the result stream."`
	Order   OrderCmd   `cmd:"" help:"Show one order, or try an order again."`
	Audit   AuditCmd   `cmd:"" help:"Check that journal, due set and result stream agree about every order."`
	ACL     ACLCmd     `cmd:"" name:"acl" help:"Print the rights that users of Redis need."`
	Version VersionCmd `cmd:"" help:"Print version, commit and Go version."`
}

// stdio is where a command reads and writes. Results go to out, everything else to err.
type stdio struct {
	in       io.Reader
	out, err io.Writer
}

// The exit codes of every command.
const (
	exitDone    = 0
	exitOutside = 1 // something outside failed: Redis, a file, a port
	exitInput   = 2 // invalid usage, configuration or input
)

// inputError marks an error that the user can fix: exit code 2.
type inputError struct{ error }

// Unwrap returns the cause, for [errors.Is] and [errors.As].
func (e inputError) Unwrap() error { return e.error }

// run is the whole program. args are without the program's name, environ is as from
// os.Environ. It returns the exit code.
func run(ctx context.Context, args, environ []string, std stdio) int {
	// Commands report errors of Redis themselves. The command run sends the messages of
	// go-redis to its log.
	logging.Disable()
	vars := parseEnv(environ)
	var commands cli
	helped := false
	parser, err := newParser(&commands, vars,
		kong.Writers(std.out, std.err),
		kong.Exit(func(int) { helped = true }),
		kong.BindTo(ctx, (*context.Context)(nil)),
		kong.Bind(std),
	)
	if err != nil {
		return fail(std, err)
	}
	chosen, err := parser.Parse(args)
	if helped {
		return exitDone
	}
	if err != nil {
		return fail(std, usageError(err))
	}
	for _, warning := range vars.unknown(settingNames(parser.Model.Node)) {
		fmt.Fprintln(std.err, "qfpay-worker:", printable.String(warning))
	}
	return fail(std, chosen.Run())
}

// newParser returns the parser of the command line.
func newParser(commands *cli, vars env, more ...kong.Option) (*kong.Kong, error) {
	return kong.New(commands, append([]kong.Option{
		kong.Name("qfpay-worker"),
		kong.Description("Creates QFPay MPM payments from a queue and publishes their QR codes."),
		kong.Resolvers(vars),
		kong.ValueFormatter(withVariable),
		kong.Help(helpWithSettings),
		kong.ConfigureHelp(kong.HelpOptions{WrapUpperBound: 100}),
	}, more...)...)
}

// usageError explains an invalid command line. Every setting is text, so the possible
// errors are an unknown flag or command, and a missing value or command.
func usageError(err error) error {
	text := strings.ReplaceAll(err.Error(), `expected string value but got "EOL" (<EOL>)`, "needs a value")
	return inputError{fmt.Errorf("%s (see qfpay-worker --help)", text)}
}

// fail prints an error, each line with the name of the program in front, and returns the
// exit code.
func fail(std stdio, err error) int {
	if err == nil {
		return exitDone
	}
	if text := err.Error(); text != "" {
		for line := range strings.Lines(text) {
			fmt.Fprintln(std.err, "qfpay-worker:", printable.String(strings.TrimSuffix(line, "\n")))
		}
	}
	var input inputError
	var settings SettingErrors
	if errors.As(err, &input) || errors.As(err, &settings) {
		return exitInput
	}
	return exitOutside
}

// VersionCmd prints the version and commit that this binary was built from.
type VersionCmd struct{}

// Run implements the command.
func (VersionCmd) Run(std stdio) error {
	_, err := fmt.Fprintln(std.out, "qfpay-worker", build.Read())
	return err
}
