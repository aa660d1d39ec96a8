package orderfile

import (
	"bufio"
	"bytes"
	"errors"
	"io"

	"github.com/qfpay-worker/qfpay-worker/tasks"
)

// errTooLong means that a line, or the lines of one row, exceed tasks.MaxOrderBytes.
var errTooLong = errors.New("too long")

// lines reads a text line by line in constant memory, whatever the length of its lines.
// It can look several lines ahead and then continue from where it was. A line ends in LF,
// CRLF or CR, also in turn.
type lines struct {
	br     *bufio.Reader
	number int   // of the next line, from 1
	cr     bool  // the last line ended in CR: a line feed now is part of that end
	err    error // of the reader; the next look ahead returns it
}

func newLines(r io.Reader) *lines {
	// Twice the longest line, so that a look ahead always fits.
	return &lines{br: bufio.NewReaderSize(r, 2*tasks.MaxOrderBytes), number: 1}
}

// end finds the end of the line that begins from bytes ahead: the offset after its end of
// line, or the end of the text. io.EOF means that no line begins there, errTooLong that
// the line ends more than tasks.MaxOrderBytes ahead. It reads no more than it must, so that
// a line from a pipe is returned as soon as it is complete: after a CR it does not wait for
// a line feed.
func (l *lines) end(from int) (int, error) {
	if l.err != nil {
		return 0, l.err
	}
	for seen := from; ; {
		ahead := l.buffered()
		if i := lineEnd(ahead[seen:]); i >= 0 && seen+i < tasks.MaxOrderBytes {
			end := seen + i + 1
			if ahead[end-1] == '\r' && end < len(ahead) && ahead[end] == '\n' {
				end++
			}
			return end, nil
		}
		if len(ahead) > tasks.MaxOrderBytes {
			return 0, errTooLong
		}
		seen = len(ahead)
		if _, err := l.br.Peek(seen + 1); err == io.EOF && seen > from {
			return seen, nil
		} else if err != nil {
			return 0, err
		}
	}
}

// lineEnd returns the index of the first LF or CR, or -1.
func lineEnd(b []byte) int {
	lf := bytes.IndexByte(b, '\n')
	if lf >= 0 {
		b = b[:lf]
	}
	if cr := bytes.IndexByte(b, '\r'); cr >= 0 {
		return cr
	}
	return lf
}

// buffered returns the bytes that can be looked at without reading.
func (l *lines) buffered() []byte {
	b, _ := l.br.Peek(l.br.Buffered())
	return b
}

// ready reports whether a whole line that is not blank, or an error, is buffered.
func (l *lines) ready() bool {
	ahead := l.buffered()
	last := bytes.LastIndexAny(ahead, "\r\n")
	return l.err != nil || last >= 0 && len(bytes.TrimSpace(ahead[:last])) > 0
}

// ahead returns the next n bytes, which end has seen, without consuming them. They are
// valid until the next call.
func (l *lines) ahead(n int) []byte {
	b, _ := l.br.Peek(n)
	return b
}

// peek returns the next n bytes, or as many as there are, without consuming them.
func (l *lines) peek(n int) []byte {
	b, err := l.br.Peek(n)
	if err != io.EOF {
		l.err = err
	}
	return b
}

// begin goes to the beginning of a line: it consumes the rest of the last end of line, and NULs,
// with which some programs fill their files up.
func (l *lines) begin() {
	if b := l.peek(1); l.cr && len(b) > 0 && b[0] == '\n' {
		l.pass(1)
	}
	for b := l.peek(1); len(b) > 0 && b[0] == 0; b = l.peek(1) {
		b = l.buffered()
		l.br.Discard(len(b) - len(bytes.TrimLeft(b, "\x00")))
	}
}

// pass consumes the next n bytes.
func (l *lines) pass(n int) {
	if n == 0 {
		return
	}
	b := l.ahead(n)
	l.number += bytes.Count(b, []byte{'\n'}) + bytes.Count(b, []byte{'\r'}) - bytes.Count(b, []byte("\r\n"))
	if l.cr && b[0] == '\n' {
		l.number--
	}
	l.cr = b[n-1] == '\r'
	l.br.Discard(n) // they are buffered
}

// skip consumes the line, whatever its length. The next look ahead returns an error of the
// reader.
func (l *lines) skip() {
	for len(l.peek(1)) > 0 {
		b := l.buffered()
		if i := lineEnd(b); i >= 0 {
			l.pass(i + 1)
			return
		}
		l.pass(len(b))
	}
	l.number++
}
