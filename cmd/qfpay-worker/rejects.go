package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/qfpay-worker/qfpay-worker/internal/printable"
	"github.com/qfpay-worker/qfpay-worker/tasks/orderfile"
)

// How many invalid rows are named on standard error: fewer if a file has all of them.
const (
	named        = 100
	namedOfAFile = 20
)

// rejects counts the invalid rows, names them, and writes them to a file.
type rejects struct {
	name  string
	count int // all of them
	shown int // that were named
	said  int // that were named, or will be with others of their kind
	file  io.Closer
	out   *bufio.Writer // nil: no --rejects
	begun bool
}

// newRejects creates the file at once, so that an error occurs before the first order is
// enqueued. With an empty name, no file is written; "-" is stdout.
func newRejects(name, input string, stdout io.Writer) (*rejects, error) {
	switch {
	case name == "":
		return &rejects{}, nil
	case name == "-":
		return &rejects{name: "standard output", out: bufio.NewWriter(stdout), file: io.NopCloser(nil)}, nil
	case same(name, input):
		return nil, fmt.Errorf("--rejects: %s is the input file", name)
	}
	f, err := os.Create(name)
	if err != nil {
		return nil, fmt.Errorf("--rejects: %w", err)
	}
	return &rejects{name: name, file: f, out: bufio.NewWriter(f)}, nil
}

// same reports whether two names are of the same existing file.
func same(a, b string) bool {
	x, errX := os.Stat(a)
	y, errY := os.Stat(b)
	return errX == nil && errY == nil && os.SameFile(x, y)
}

// add counts an invalid row, names it on notes and writes it to the file.
func (r *rejects) add(notes io.Writer, rows *orderfile.Rows, row orderfile.Row) {
	most := named
	if r.out != nil {
		most = namedOfAFile
	}
	if r.shown < most {
		r.shown++
		fmt.Fprintf(notes, "line %d: %s\n", row.Line, printable.String(row.Err.Error()))
		r.said++
	}
	r.write(rows, row)
}

// addUnnamed counts an invalid row that is named together with others of its kind, and writes it
// to the file.
func (r *rejects) addUnnamed(rows *orderfile.Rows, row orderfile.Row) {
	r.said++
	r.write(rows, row)
}

func (r *rejects) write(rows *orderfile.Rows, row orderfile.Row) {
	r.count++
	if r.out == nil {
		return
	}
	if !r.begun {
		r.begun = true
		r.out.Write(rows.RejectHead()) // the buffer keeps an error until Flush
	}
	r.out.Write(rows.Rejected(row, fmt.Sprintf("line %d: %s", row.Line, printable.String(row.Err.Error()))))
}

// close finishes the file, and says on notes how many rows were not named.
func (r *rejects) close(notes io.Writer) error {
	switch more := r.count - r.said; {
	case more > 0 && r.out == nil:
		fmt.Fprintf(notes, "… and %d more invalid rows; --rejects FILE writes all of them to a file\n", more)
	case more > 0:
		fmt.Fprintf(notes, "… and %d more, see %s\n", more, r.name)
	}
	if r.out == nil {
		return nil
	}
	if err := errors.Join(r.out.Flush(), r.file.Close()); err != nil {
		return fmt.Errorf("--rejects: %w", err)
	}
	return nil
}
