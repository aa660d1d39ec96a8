// Package console writes for people at a terminal: tables, QR codes and progress.
// The commands share it, so that an order looks the same in all of them.
package console

import (
	"io"

	"golang.org/x/term"
)

// IsTerminal reports whether w is a terminal, and not a file or a pipe.
func IsTerminal(w io.Writer) bool {
	f, ok := w.(interface{ Fd() uintptr })
	return ok && term.IsTerminal(int(f.Fd()))
}
