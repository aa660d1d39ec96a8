package main

import (
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/qfpay-worker/qfpay-worker/internal/printable"
)

// stdio is where a command reads and writes. Results go to out, everything else to err.
type stdio struct {
	in       io.Reader
	out, err io.Writer
	columns  int // of the terminal that out is; 0: out is no terminal
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
