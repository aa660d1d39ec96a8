package main

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/alecthomas/kong"
	"github.com/redis/go-redis/v9/logging"

	"github.com/qfpay-worker/qfpay-worker/cmd/internal/build"
	"github.com/qfpay-worker/qfpay-worker/internal/printable"
)

// cli is the command line.
type cli struct {
	Run      RunCmd      `cmd:"" help:"Run the worker: create the payments of the queue, publish their results, serve metrics and health."`
	Enqueue  EnqueueCmd  `cmd:"" help:"Check the orders of a CSV or NDJSON file and enqueue them."`
	Results  ResultsCmd  `cmd:"" help:"Read the result stream."`
	Payments PaymentsCmd `cmd:"" help:"Read the payment stream: which published codes were paid, expired or closed."`
	Order    OrderCmd    `cmd:"" help:"Show and list orders, cancel them, or try them again."`
	Batch    BatchCmd    `cmd:"" help:"List bulk runs, show one, or cancel its orders."`
	Merchant MerchantCmd `cmd:"" help:"List the merchants; pause one by hand, or end the pause."`
	Audit    AuditCmd    `cmd:"" help:"Check that journal, due set and result stream agree about every order."`
	Migrate  MigrateCmd  `cmd:"" help:"Rewrite the orders of another version, while no worker runs."`
	ACL      ACLCmd      `cmd:"" name:"acl" help:"Print the rights that users of Redis need."`
	Version  VersionCmd  `cmd:"" help:"Print version, commit and Go version."`

	Help       HelpCmd       `cmd:"" help:"Explain a command; the same as COMMAND --help."`
	Completion CompletionCmd `cmd:"" help:"Print a script that completes commands and flags."`

	EnvFile     envFile     `name:"env-file" placeholder:"FILE" help:"File with settings, one NAME=VALUE on a line, as for docker and systemd. Variables that are set, and flags, come first."`
	ShowVersion versionFlag `name:"version" help:"Print version, commit and Go version."`
}

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
		kong.Bind(std, vars),
	)
	if err != nil {
		return fail(std, err)
	}
	chosen, err := parser.Parse(helpFlag(args))
	if helped {
		return exitDone
	}
	if err != nil {
		return fail(std, usageError(err))
	}
	if err := vars.quoted(chosen.Flags()); err != nil {
		return fail(std, err)
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
	command := "qfpay-worker"
	usage := " COMMAND [flags]"
	if wrong, ok := errors.AsType[*kong.ParseError](err); ok && wrong.Context.Selected() != nil {
		command += " " + wrong.Context.Selected().Path()
		usage = strings.TrimPrefix(wrong.Context.Selected().Summary(), wrong.Context.Selected().Path())
	}
	return inputError{fmt.Errorf("%s\nUsage: %s%s (see %s --help)", text, command, usage, command)}
}

// helpFlag turns "help COMMAND" into "COMMAND --help", which people also try.
func helpFlag(args []string) []string {
	if len(args) == 0 || args[0] != "help" {
		return args
	}
	return append(args[1:len(args):len(args)], "--help")
}

// HelpCmd is the command help, for the list of commands; see helpFlag.
type HelpCmd struct {
	Command []string `arg:"" optional:"" help:"The command to explain."`
}

// Run implements the command. It is not reached.
func (HelpCmd) Run() error { return nil }

// versionFlag is the flag --version.
type versionFlag bool

// BeforeReset prints the version, and ends the program before kong misses a command.
func (versionFlag) BeforeReset(app *kong.Kong, std stdio) error {
	err := VersionCmd{}.Run(std)
	app.Exit(exitDone)
	return err
}

// VersionCmd prints the version and commit that this binary was built from.
type VersionCmd struct{}

// Run implements the command.
func (VersionCmd) Run(std stdio) error {
	_, err := fmt.Fprintln(std.out, "qfpay-worker", build.Read())
	return err
}
