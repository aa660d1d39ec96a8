package main

import (
	"fmt"

	"github.com/qfpay-worker/qfpay-worker/cmd/internal/build"
)

// VersionCmd prints what this binary was built from.
type VersionCmd struct{}

// Run implements the command.
func (VersionCmd) Run(std stdio) error {
	_, err := fmt.Fprintln(std.out, "qfpay-worker", build.Read())
	return err
}
