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

// Columns returns the width of the terminal w, or 0 if w is no terminal. It is 80 if the terminal
// does not say.
func Columns(w io.Writer) int {
	if !IsTerminal(w) {
		return 0
	}
	if columns, _, err := term.GetSize(int(w.(interface{ Fd() uintptr }).Fd())); err == nil && columns > 0 {
		return columns
	}
	return 80
}
