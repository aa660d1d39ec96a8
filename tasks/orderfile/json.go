package orderfile

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/qfpay-worker/qfpay-worker/tasks"
)

const jsonSpace = " \t\r\n"

// nextJSON reads a line of NDJSON. An object that is printed over several lines is one row too.
func (r *Rows) nextJSON() (Row, error) {
	n, err := r.nextLine()
	if errors.Is(err, errTooLong) {
		return r.tooLong(), nil
	} else if err != nil {
		return Row{}, err
	}
	row := r.object(n)
	if more := r.objectOverLines(n); row.Err != nil && more > 0 {
		n, row = more, r.object(more)
	}
	r.lines.pass(n)
	return row, nil
}

// object reads the next n bytes as one order, and consumes nothing.
func (r *Rows) object(n int) Row {
	raw := bytes.TrimRight(r.lines.ahead(n), jsonSpace)
	if !r.strict {
		raw = bytes.TrimRight(raw, jsonSpace+",") // lines of an array without its brackets
	}
	row := Row{Line: r.lines.number, Raw: string(raw)}
	text, err := raw, error(nil)
	if !r.strict {
		text, err = r.decode(raw)
		text, _ = withoutReason(text)
	}
	if row.Err = err; err == nil {
		row.Order, row.Err = tasks.ParseOrder(text)
	}
	return row
}

// objectOverLines returns the end of an object whose first line ends at first, if it has more
// lines, or 0. A line that begins with a brace is the next order: then the first line is broken,
// and must not hide the orders after it.
func (r *Rows) objectOverLines(first int) int {
	text := r.lines.ahead(first)
	if r.strict || text[0] != '{' {
		return 0
	}
	var s scanner
	if _, closed := s.scan(text); closed {
		return 0
	}
	for from := first; ; {
		end, err := r.lines.end(from)
		if err != nil {
			return 0
		}
		line := r.lines.ahead(end)[from:]
		if line[0] == '{' {
			return 0
		}
		if _, closed := s.scan(line); closed {
			if text, err := r.decode(r.lines.ahead(end)); err == nil && !json.Valid(text) {
				return 0
			}
			return end
		}
		from = end
	}
}

// scanner finds the end of a JSON object.
type scanner struct {
	depth           int
	quoted, escaped bool
}

// scan reads on. If the object is closed, it returns the offset after its last brace.
func (s *scanner) scan(b []byte) (end int, closed bool) {
	for i, c := range b {
		switch {
		case s.escaped:
			s.escaped = false
		case s.quoted && c == '\\':
			s.escaped = true
		case c == '"':
			s.quoted = !s.quoted
		case s.quoted:
		case c == '{' || c == '[':
			s.depth++
		case c == '}' || c == ']':
			if s.depth--; s.depth <= 0 {
				return i + 1, true
			}
		}
	}
	return 0, false
}

// nextElement reads an object of a JSON array, which may be on one line with others.
func (r *Rows) nextElement() (Row, error) {
	for {
		b := r.lines.peek(1)
		switch {
		case r.lines.err != nil:
			return Row{}, r.lines.err
		case len(b) == 0:
			return Row{}, io.EOF
		case b[0] == '{':
			r.resync = false
			return r.element(), nil
		case b[0] == 0 || b[0] == endOfText || strings.IndexByte(jsonSpace+",[]", b[0]) >= 0:
			r.lines.pass(1)
		case r.resync && b[0] == '}':
			r.lines.pass(1) // the end of the broken object; the next may begin on the same line
		case r.resync:
			r.lines.skip()
		default:
			return r.brokenLine(errors.New(`an order is a JSON object: {"out_trade_no": …}`)), nil
		}
	}
}

// element reads the object that begins here.
func (r *Rows) element() Row {
	var s scanner
	for seen := 0; ; {
		ahead := r.lines.buffered()
		if end, closed := s.scan(ahead[seen:min(len(ahead), tasks.MaxOrderBytes)]); closed {
			end += seen
			row := r.object(end)
			if text, err := r.decode(r.lines.ahead(end)); err == nil && !json.Valid(text) && lineEnd(text) >= 0 {
				return r.brokenLine(row.Err) // perhaps it ends too late, for want of a brace
			}
			r.lines.pass(end)
			return row
		}
		if len(ahead) >= tasks.MaxOrderBytes {
			return r.brokenLine(fmt.Errorf("the object is not closed: %w", tasks.ErrOrderTooLong))
		}
		if seen = len(ahead); len(r.lines.peek(seen+1)) == seen {
			return r.brokenLine(errors.New("the object is not closed before the end of the file"))
		}
	}
}

// brokenLine returns the rest of the line as a bad row. Reading goes on at the next object that
// begins a line.
func (r *Rows) brokenLine(why error) Row {
	r.resync = true
	n, err := r.lines.end(0)
	if err != nil {
		row := r.tooLong()
		row.Err = why
		return row
	}
	row := Row{Line: r.lines.number, Err: why, Raw: strings.TrimRight(string(r.lines.ahead(n)), "\r\n")}
	r.lines.pass(n)
	return row
}
