// Package orderfile reads orders from files, CSV with a header row or NDJSON, for the
// commands and for the HTTP API. A producer needs package tasks only.
//
// Start with [NewRows] and [Rows.Next]. A bad row never hides the rows behind it, and a
// file of any size needs the same small amount of memory.
//
// The package reads text, and nothing else: it decides neither what a valid order is, which
// is for package tasks, nor what happens to an order, and it knows no Redis.
package orderfile

import (
	"bytes"
	"errors"
	"io"
	"strings"

	"github.com/qfpay-worker/qfpay-worker/tasks"
)

// Row is one order of a file, or the text in its place that is not a valid order.
type Row struct {
	Line  int         // where the row begins, from 1
	Order tasks.Order // as given, without defaults; if Err is set, the fields that could be read
	Err   error       // why it is not an order: qfpay.FieldErrors, or the error in CSV or JSON
	Raw   string      // the text in the file, cut off if it is too long to be read
}

// Rows reads orders from a file. The content decides the format: NDJSON begins with a
// brace, anything else is CSV with a header row. Both are UTF-8, with or without a byte
// order mark, and their lines end in LF or CRLF. Blank lines are skipped.
type Rows struct {
	lines  *lines
	format func() (Row, error) // reads the next row; nil before the first
	csv    csvReader
}

// NewRows returns a reader of the orders in r.
func NewRows(r io.Reader) *Rows { return &Rows{lines: newLines(r)} }

// NewJSONRows returns a reader of the orders in r, which must be NDJSON: any other line is
// a bad row. Next then never returns a [*HeaderError].
func NewJSONRows(r io.Reader) *Rows {
	rows := NewRows(r)
	rows.format = func() (Row, error) {
		rows.mark()
		rows.format = rows.nextJSON
		return rows.nextJSON()
	}
	return rows
}

// Buffered reports whether Next can return a row without reading. A caller that collects
// rows stops when it is false, so that the rows it has do not wait for the next one.
func (r *Rows) Buffered() bool { return r.lines.ready() }

// Next returns the next row. If a row is not a valid order, its Err is set, and the next
// call continues after it. The error is io.EOF at the end, a [*HeaderError] if the whole
// file cannot be read as orders, or the reader's own.
func (r *Rows) Next() (Row, error) {
	if r.format == nil {
		if err := r.begin(); err != nil {
			return Row{}, err
		}
	}
	return r.format()
}

var byteOrderMark = []byte("\uFEFF")

// begin detects the format. It keeps the format only if the beginning of the file is valid,
// so that a second call of Next returns the same error again.
func (r *Rows) begin() error {
	r.mark()
	if err := r.space(); err != nil {
		return err
	}
	start := r.lines.peek(2)
	switch {
	case bytes.Equal(start, []byte{0xFF, 0xFE}) || bytes.Equal(start, []byte{0xFE, 0xFF}) || bytes.IndexByte(start, 0) >= 0:
		return &HeaderError{Reason: "the file is UTF-16 or binary, not text in UTF-8; save it as CSV UTF-8"}
	case start[0] == '[':
		return &HeaderError{Reason: "the file is a JSON array; write one order a line instead (NDJSON)"}
	case start[0] == '{':
		r.format = r.nextJSON
		return nil
	}
	if err := r.readHeader(); err != nil {
		return err
	}
	r.format = r.nextCSV
	return nil
}

// mark skips a byte order mark.
func (r *Rows) mark() {
	if bytes.Equal(r.lines.peek(len(byteOrderMark)), byteOrderMark) {
		r.lines.pass(len(byteOrderMark))
	}
}

// space skips white space.
func (r *Rows) space() error {
	for {
		b := r.lines.peek(1)
		switch {
		case r.lines.err != nil:
			return r.lines.err
		case len(b) == 0:
			return io.EOF
		case !isSpace(b[0]):
			return nil
		}
		r.lines.pass(1)
	}
}

func isSpace(b byte) bool { return b == ' ' || b == '\t' || b == '\r' || b == '\n' }

// nextLine returns the end of the next line that is not blank.
func (r *Rows) nextLine() (int, error) {
	for {
		n, err := r.lines.end(0)
		if err != nil || len(bytes.TrimSpace(r.lines.ahead(n))) > 0 {
			return n, err
		}
		r.lines.pass(n)
	}
}

// tooLong returns the row of a line that is too long, and skips the line.
func (r *Rows) tooLong() Row {
	const shown = 256
	row := Row{
		Line: r.lines.number,
		Err:  tasks.ErrOrderTooLong,
		Raw:  strings.ToValidUTF8(string(r.lines.ahead(shown)), "\uFFFD") + "…",
	}
	r.lines.skip()
	return row
}

// nextJSON reads a line of NDJSON.
func (r *Rows) nextJSON() (Row, error) {
	n, err := r.nextLine()
	if errors.Is(err, errTooLong) {
		return r.tooLong(), nil
	} else if err != nil {
		return Row{}, err
	}
	row := Row{Line: r.lines.number}
	text := bytes.TrimRight(r.lines.ahead(n), "\r\n")
	row.Order, row.Err = tasks.ParseOrder(text)
	row.Raw = string(text)
	r.lines.pass(n)
	return row, nil
}
