package main

import (
	"errors"
	"io"
)

// stdio is where a command reads and writes: results go to out, everything else to err.
type stdio struct {
	in       io.Reader
	out, err io.Writer
}

// errInput marks an error that the user can fix: exit code 2.
var errInput = errors.New("wrong input")
