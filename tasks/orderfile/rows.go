// Package orderfile reads orders from files, CSV with a header row or JSON, for the commands and
// for the HTTP API. A producer needs package tasks only.
//
// Start with [NewRows] and [Rows.Next]. A bad row never hides the rows behind it, and a
// file of any size needs the same small amount of memory. What spreadsheets and shops make of a
// file is taken where nothing can be misread; otherwise the error says what to do.
//
// The package reads text, and nothing else: it decides neither what a valid order is, which
// is for package tasks, nor what happens to an order, and it knows no Redis.
package orderfile

import (
	"bytes"
	"io"
	"strings"

	"golang.org/x/text/transform"

	"github.com/qfpay-worker/qfpay-worker/tasks"
)

// Row is one order of a file, or the text in its place that is not a valid order.
type Row struct {
	Line  int         // where the row begins, from 1
	Order tasks.Order // as given, without defaults; if Err is set, the fields that could be read
	Err   error       // why it is not an order: qfpay.FieldErrors, *EncodingError, or the error in CSV or JSON
	Raw   string      // the bytes in the file, cut off if it is too long to be read
}

// Rows reads orders from a file. The content decides the format: an object or an array begins
// JSON, which may have one order a line (NDJSON) or several lines an order; anything else is CSV
// with a header row, its columns separated by comma, semicolon, tab or bar. Lines end in LF, CRLF
// or CR. Blank lines and rows of empty cells are skipped. Files in UTF-8 and UTF-16 are
// recognised, with or without a byte order mark.
type Rows struct {
	lines    *lines
	format   func() (Row, error) // reads the next row; nil before the first
	encoding Encoding
	csv      csvReader

	strict bool // NDJSON and nothing else
	resync bool // after a broken element of an array, until the next object

	misread []byte // rows that are not in the encoding of the file; a few, for Looks
}

// NewRows returns a reader of the orders in r.
func NewRows(r io.Reader) *Rows { return NewEncodedRows(r, UTF8) }

// NewEncodedRows returns a reader of the orders in r, which are in this encoding.
func NewEncodedRows(r io.Reader, e Encoding) *Rows { return &Rows{lines: newLines(r), encoding: e} }

// NewJSONRows returns a reader of the orders in r, which must be NDJSON: any other line is
// a bad row. Next then never returns a [*HeaderError].
func NewJSONRows(r io.Reader) *Rows {
	rows := NewRows(r)
	rows.strict = true
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
	if narrow := wide(r.lines.peek(2)); narrow != nil {
		r.lines = newLines(transform.NewReader(r.lines.br, narrow))
		r.csv.mark = true // what is written of it is UTF-8
		if err := r.space(); err != nil {
			return err
		}
	}
	first := r.lines.peek(1)[0]
	if what := foreignKind(first, r.lines.peek); what != "" {
		return &HeaderError{Reason: what}
	}
	switch first {
	case '[':
		r.format = r.nextElement
		return nil
	case '{':
		r.format = r.nextJSON
		return nil
	}
	if err := r.readHeader(); err != nil {
		return err
	}
	r.format = r.nextCSV
	return nil
}

// mark skips byte order marks.
func (r *Rows) mark() {
	for bytes.Equal(r.lines.peek(len(byteOrderMark)), byteOrderMark) { // some programs write a second one
		r.lines.pass(len(byteOrderMark))
		r.csv.mark = true
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
		r.lines.begin()
		n, err := r.lines.end(0)
		if err != nil || !r.csv.blank(r.lines.ahead(n)) {
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

// decode returns the text of bytes of the file, and remembers some that are no text.
func (r *Rows) decode(b []byte) ([]byte, error) {
	text, err := r.encoding.decode(b)
	if err != nil && len(r.misread) < 4<<10 {
		r.misread = append(append(r.misread, b...), '\n')
	}
	return text, err
}

// Looks returns the encoding that the rows with an [*EncodingError] are probably in.
func (r *Rows) Looks() Encoding { return guess(r.misread) }
