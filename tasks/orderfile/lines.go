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
// It can look several lines ahead and then continue from where it was.
type lines struct {
	br     *bufio.Reader
	number int   // of the next line, from 1
	err    error // of the reader; the next look ahead returns it
}

func newLines(r io.Reader) *lines {
	// Twice the longest line, so that a look ahead always fits.
	return &lines{br: bufio.NewReaderSize(r, 2*tasks.MaxOrderBytes), number: 1}
}

// end finds the end of the line that begins from bytes ahead: the offset after its line
// feed, or the end of the text. io.EOF means that no line begins there, errTooLong that
// the line ends more than tasks.MaxOrderBytes ahead. It reads no more than it must, so that
// a line from a pipe is returned as soon as it is complete.
func (l *lines) end(from int) (int, error) {
	if l.err != nil {
		return 0, l.err
	}
	for seen := from; ; {
		ahead, _ := l.br.Peek(l.br.Buffered()) // buffered bytes can always be peeked at
		if i := bytes.IndexByte(ahead[seen:], '\n'); i >= 0 && seen+i < tasks.MaxOrderBytes {
			return seen + i + 1, nil
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

// ready reports whether a whole line that is not blank, or an error, is buffered.
func (l *lines) ready() bool {
	ahead, _ := l.br.Peek(l.br.Buffered())
	last := bytes.LastIndexByte(ahead, '\n')
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

// pass consumes the next n bytes.
func (l *lines) pass(n int) {
	l.number += bytes.Count(l.ahead(n), []byte{'\n'})
	l.br.Discard(n) // they are buffered
}

// skip consumes the line, whatever its length. The next look ahead returns an error of the
// reader.
func (l *lines) skip() {
	err := bufio.ErrBufferFull
	for errors.Is(err, bufio.ErrBufferFull) {
		_, err = l.br.ReadSlice('\n')
	}
	l.number++
	if err != io.EOF {
		l.err = err
	}
}
