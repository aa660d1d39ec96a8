package tasks

import (
	"bytes"
	"errors"
	"io"
	"strings"
)

// Row is one order of a file, or what stands in its place.
type Row struct {
	Line  int    // where it begins, from 1
	Order Order  // as given, without defaults; when Err is set, what could be read
	Err   error  // why it is no order: qfpay.FieldErrors, or what breaks CSV or JSON
	Raw   string // as it stands in the file, shortened when it is too long to be read
}

// Rows reads orders from a file of CSV with a header row, or of NDJSON, which it
// tells apart by content: NDJSON begins with a brace. Both are UTF-8, with or
// without a byte order mark, with lines that end in LF or CRLF; blank lines mean
// nothing. It needs the same small amount of memory for every file.
type Rows struct {
	lines  *lines
	format func() (Row, error) // reads the next row; nil before the first
	csv    csvReader
}

// NewRows returns a reader of the orders in r.
func NewRows(r io.Reader) *Rows { return &Rows{lines: newLines(r)} }

// NewJSONRows returns a reader of the orders in r, which is known to be NDJSON: a
// line that is anything else is a bad row, and no [*HeaderError] comes.
func NewJSONRows(r io.Reader) *Rows {
	rows := NewRows(r)
	rows.format = func() (Row, error) {
		rows.mark()
		rows.format = rows.nextJSON
		return rows.nextJSON()
	}
	return rows
}

// Buffered tells whether Next has a row at hand, and so returns without reading. A
// reader who gathers rows stops there, lest those that he has wait for one that may
// be long in coming.
func (r *Rows) Buffered() bool { return r.lines.ready() }

// Next returns the next row. A row that is no valid order has its Err set, and
// reading goes on behind it. The error is io.EOF at the end, a [*HeaderError] when
// the file as a whole cannot be read as orders, or the reader's own.
func (r *Rows) Next() (Row, error) {
	if r.format == nil {
		if err := r.begin(); err != nil {
			return Row{}, err
		}
	}
	return r.format()
}

var byteOrderMark = []byte("\uFEFF")

// begin finds out what kind of file it is. The kind is kept only when the file has
// begun well, so that its error comes again if Next is called again.
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

// mark passes a byte order mark.
func (r *Rows) mark() {
	if bytes.Equal(r.lines.peek(len(byteOrderMark)), byteOrderMark) {
		r.lines.pass(len(byteOrderMark))
	}
}

// space passes white space up to the first byte that is none.
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

// tooLong makes a row of a line that is longer than it may be, and skips it.
func (r *Rows) tooLong() Row {
	const shown = 256
	row := Row{
		Line: r.lines.number,
		Err:  ErrOrderTooLong,
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
	row.Order, row.Err = ParseOrder(text)
	row.Raw = string(text)
	r.lines.pass(n)
	return row, nil
}
