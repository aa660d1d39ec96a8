package redisbound

import (
	"bytes"
	"io"
	"net"
	"strconv"
	"strings"
)

// maxHead is as much of a line as is needed to see whether it announces a text.
const maxHead = 32

// conn is a connection that counts what is answered.
type conn struct {
	net.Conn
	read int64  // bytes answered since the last command was written, those announced included
	text int64  // of the text that is being read, bytes to come
	line []byte // the beginning of the line that is being read
	long error  // of an answer that is too long; go-redis may read again after it
}

// Write implements [net.Conn].
func (c *conn) Write(b []byte) (int, error) {
	c.read = 0
	return c.Conn.Write(b)
}

// Read implements [net.Conn].
func (c *conn) Read(b []byte) (int, error) {
	if c.long != nil {
		return 0, c.long
	}
	n, err := c.Conn.Read(b)
	rest, long := c.count(b[:n])
	if long == nil {
		return n, err
	}
	if long.Most == Text {
		n, _ = io.ReadFull(io.MultiReader(bytes.NewReader(rest), c.Conn), b[:min(kept, len(b))])
		long.Beginning = strings.ToValidUTF8(string(b[:n]), "\uFFFD")
	}
	c.long = long
	return 0, long
}

// count goes through a piece of an answer. When it is too long, it returns an error, and the rest of
// the piece. In RESP, what is not in lines is a text, whose length the line before it announces.
func (c *conn) count(b []byte) (rest []byte, long *TooLongError) {
	for len(b) > 0 {
		if c.text > 0 {
			n := min(c.text, int64(len(b)))
			b, c.text = b[n:], c.text-n
			continue
		}
		line, rest, whole := bytes.Cut(b, []byte{'\n'})
		c.line = append(c.line, line[:min(len(line), maxHead-len(c.line))]...)
		c.read += int64(len(b) - len(rest))
		b = rest
		if whole {
			c.text = announced(c.line)
			c.read += c.text
			c.line = c.line[:0]
		}
		switch {
		case c.text > Text:
			return b, &TooLongError{Bytes: c.text, Most: Text}
		case c.read > Answer:
			return b, &TooLongError{Bytes: c.read, Most: Answer}
		}
	}
	return nil, nil
}

// announced returns the length of the text that a line announces, with its end of line, or 0.
func announced(line []byte) int64 {
	if len(line) == 0 || bytes.IndexByte([]byte("$=!"), line[0]) < 0 {
		return 0
	}
	n, err := strconv.ParseInt(string(bytes.TrimRight(line[1:], "\r")), 10, 64)
	if err != nil || n < 0 { // there is none
		return 0
	}
	return n + 2
}
