package main

import (
	"fmt"
	"io"

	"github.com/alecthomas/kong"

	"github.com/qfpay-worker/qfpay-worker/cmd/internal/console"
)

// withVariable adds the environment variable to the help of a flag.
func withVariable(value *kong.Value) string {
	if v := variable(value.Name); v != "" {
		return fmt.Sprintf("%s [%s]", value.Help, v)
	}
	return kong.DefaultHelpValueFormatter(value)
}

// helpWithSettings prints kong's help. Below the help of the program itself it lists all
// settings, which kong would show only with each command.
func helpWithSettings(options kong.HelpOptions, ctx *kong.Context) error {
	if err := kong.DefaultHelpPrinter(options, ctx); err != nil || ctx.Selected() != nil {
		return err
	}
	return printSettings(ctx.Stdout, ctx.Model.Node)
}

const settingsHead = `
Settings are environment variables, or flags of the commands that use them:
QFPAY_BASE_URL is --qfpay-base-url. A flag overrides its variable, and an empty
variable counts as not set. What neither sets may stand in the file that --env-file
names. "qfpay-worker run --help" explains each setting.

`

func printSettings(w io.Writer, root *kong.Node) error {
	if _, err := io.WriteString(w, settingsHead); err != nil {
		return err
	}
	defaults := map[string]string{}
	for _, leaf := range root.Leaves(true) {
		for _, flag := range leaf.Flags {
			defaults[variable(flag.Name)] = flag.Default
		}
	}
	table := console.NewTable("  variable", "default")
	for _, name := range settingNames(root) {
		table.Add("  "+name, defaults[name])
	}
	return table.Write(w)
}
