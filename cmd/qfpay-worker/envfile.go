package main

import (
	"fmt"

	"github.com/alecthomas/kong"

	"github.com/qfpay-worker/qfpay-worker/cmd/internal/setting"
)

// envFile is the flag --env-file: a file with settings.
type envFile string

// BeforeResolve adds the settings of the file to the environment, where they are not set already.
func (envFile) BeforeResolve(ctx *kong.Context, trace *kong.Path, vars env) error {
	path := string(ctx.FlagValue(trace.Flag).(envFile))
	values, err := setting.EnvFile(path)
	if err != nil {
		return inputError{fmt.Errorf("--env-file: %w", err)}
	}
	for name, value := range values {
		if vars[name] == "" && value != "" {
			vars[name] = value
		}
	}
	return nil
}
