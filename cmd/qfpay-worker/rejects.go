package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/qfpay-worker/qfpay-worker/internal/printable"
	"github.com/qfpay-worker/qfpay-worker/tasks/orderfile"
)

// named is how many invalid rows are named on standard error if a file has all of them.
const named = 20

// rejects counts the invalid rows, names them, and writes them to a file.
type rejects struct {
	count int
	file  *os.File // nil: no --rejects
	out   *bufio.Writer
	err   error // of the file
}

// reject is one line of the file.
type reject struct {
	Line   int    `json:"line"`
	Reason string `json:"reason"`
	Order  string `json:"order"` // the row as it is in the input
}

// newRejects creates the file at once, so that an error occurs before the first order is
// enqueued. With an empty name, no file is written.
func newRejects(name, input string) (*rejects, error) {
	if name == "" {
		return &rejects{}, nil
	}
	if same(name, input) {
		return nil, fmt.Errorf("--rejects: %s is the input file", name)
	}
	f, err := os.Create(name)
	if err != nil {
		return nil, fmt.Errorf("--rejects: %w", err)
	}
	return &rejects{file: f, out: bufio.NewWriter(f)}, nil
}

// same reports whether two names are of the same existing file.
func same(a, b string) bool {
	x, errX := os.Stat(a)
	y, errY := os.Stat(b)
	return errX == nil && errY == nil && os.SameFile(x, y)
}

// add counts an invalid row, names it on notes and writes it to the file. Without a file it
// names every row, with a file only the first few.
func (r *rejects) add(notes io.Writer, row orderfile.Row) {
	r.count++
	reason := printable.String(row.Err.Error())
	if r.file == nil || r.count <= named {
		fmt.Fprintf(notes, "line %d: %s\n", row.Line, reason)
	}
	if r.file == nil || r.err != nil {
		return
	}
	line := json.NewEncoder(r.out)
	line.SetEscapeHTML(false)
	r.err = line.Encode(reject{Line: row.Line, Reason: row.Err.Error(), Order: row.Raw})
}

// close finishes the file, and says on notes how many rows only the file names.
func (r *rejects) close(notes io.Writer) error {
	if r.file == nil {
		return nil
	}
	if r.count > named {
		fmt.Fprintf(notes, "… and %d more, see %s\n", r.count-named, r.file.Name())
	}
	if r.err == nil {
		r.err = r.out.Flush()
	}
	if err := errors.Join(r.err, r.file.Close()); err != nil {
		return fmt.Errorf("--rejects: %w", err)
	}
	return nil
}
