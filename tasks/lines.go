package tasks

import (
	"bufio"
	"bytes"
	"errors"
	"io"
)

// errTooLong says that a line, or lines looked at together, exceed MaxOrderBytes.
var errTooLong = errors.New("too long")

// lines reads a text line by line, however long its lines are, in constant memory.
// It can look further than one line ahead without giving up the way back.
type lines struct {
	br     *bufio.Reader
	number int   // of the line that comes next, from 1
	err    error // of the reader, to be returned by the next look ahead
}

func newLines(r io.Reader) *lines {
	// Twice as large as the longest line, so that a look ahead always fits.
	return &lines{br: bufio.NewReaderSize(r, 2*MaxOrderBytes), number: 1}
}

// end finds the end of the line that begins from bytes ahead: the offset behind its
// line feed, or of the end of the text. io.EOF says that no line begins there,
// errTooLong that it ends more than MaxOrderBytes ahead. It reads no more than it
// must, so that a line that came through a pipe is not held back.
func (l *lines) end(from int) (int, error) {
	if l.err != nil {
		return 0, l.err
	}
	for seen := from; ; {
		ahead, _ := l.br.Peek(l.br.Buffered()) // what is buffered can always be peeked at
		if i := bytes.IndexByte(ahead[seen:], '\n'); i >= 0 && seen+i < MaxOrderBytes {
			return seen + i + 1, nil
		}
		if len(ahead) > MaxOrderBytes {
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

// ready tells whether a line that is not blank is buffered to its end, or an error.
func (l *lines) ready() bool {
	ahead, _ := l.br.Peek(l.br.Buffered())
	last := bytes.LastIndexByte(ahead, '\n')
	return l.err != nil || last >= 0 && len(bytes.TrimSpace(ahead[:last])) > 0
}

// ahead returns the next n bytes, which end has seen, without passing them. They
// are good until the next call.
func (l *lines) ahead(n int) []byte {
	b, _ := l.br.Peek(n)
	return b
}

// peek returns the next n bytes, or what there is of them, without passing them.
func (l *lines) peek(n int) []byte {
	b, err := l.br.Peek(n)
	if err != io.EOF {
		l.err = err
	}
	return b
}

// pass goes on behind the next n bytes.
func (l *lines) pass(n int) {
	l.number += bytes.Count(l.ahead(n), []byte{'\n'})
	l.br.Discard(n) // they are buffered
}

// skip goes on behind the line, however long it is. An error of the reader is
// returned by the next look ahead.
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
