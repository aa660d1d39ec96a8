package conns

import (
	"bytes"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"regexp"
	"strconv"
	"time"
)

// What net/http cannot read reaches no handler: it answers that itself, in plain text. The listener here
// puts a problem in the place of such an answer.

// listener gives net/http its connections: over TLS, or plain HTTP.
type listener struct {
	*Listener
	server *http.Server
	tls    *tls.Config // nil: plain HTTP
}

// Accept implements [net.Listener].
func (l listener) Accept() (net.Conn, error) {
	below, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	c := wire{below, below.(*conn), l.server}
	if l.tls == nil {
		return &c, nil
	}
	secure := tls.Server(below, l.tls)
	c.Conn = secure
	return &wireTLS{c, secure}, nil
}

// wire is a connection as net/http has it: what is written to it is HTTP, over TLS too.
type wire struct {
	net.Conn
	below  *conn
	server *http.Server
}

// NetConn returns the connection below, as that of [tls.Conn].
func (c *wire) NetConn() net.Conn { return c.below }

// statusLine matches how an answer begins. net/http gives a reason with some, which quotes nothing of
// the request.
var statusLine = regexp.MustCompile(`\AHTTP/1\.[01] (\d{3}) [^:\r\n]*(?:: ([^\r\n]*))?\r\n`)

// Write implements [net.Conn]. While no handler answers, what net/http writes is its own, and whole.
func (c *wire) Write(text []byte) (int, error) {
	if c.below.handled.Load() {
		return c.Conn.Write(text)
	}
	own := statusLine.FindSubmatch(text)
	if own == nil {
		return c.Conn.Write(text)
	}
	status, _ := strconv.Atoi(string(own[1]))
	return len(text), c.refuse(c.Conn, status, unread(status, string(own[2]), c.server.MaxHeaderBytes))
}

// unread returns what to say of a request that net/http has not given to a handler.
func unread(status int, reason string, maxHeader int) string {
	if status == http.StatusRequestHeaderFieldsTooLarge {
		return fmt.Sprintf("the headers have more than %d bytes", maxHeader)
	}
	detail := "the request cannot be read; check its path and headers"
	if reason != "" {
		detail += ": " + reason
	}
	return detail
}

// refuse writes the last answer of a connection. Then it reads on, until the deadline of the headers: many
// clients read only after they have sent everything, and lose the answer if the connection is closed before.
func (c *wire) refuse(to net.Conn, status int, detail string) error {
	body := NewProblem(status, detail).JSON()
	var answer bytes.Buffer
	fmt.Fprintf(&answer, "HTTP/1.1 %d %s\r\nContent-Type: %s\r\nContent-Length: %d\r\nCache-Control: no-store\r\nConnection: close\r\n\r\n%s",
		status, http.StatusText(status), ProblemType, len(body), body)
	if _, err := to.Write(answer.Bytes()); err != nil {
		return err
	}
	if half, ok := to.(interface{ CloseWrite() error }); ok {
		half.CloseWrite()
	}
	io.Copy(io.Discard, to)
	return nil
}

// wireTLS is one over TLS.
type wireTLS struct {
	wire
	secure *tls.Conn
}

// ConnectionState makes the handshake: net/http asks for the state once, before it reads. Whoever speaks
// no TLS is told so in plain HTTP.
func (c *wireTLS) ConnectionState() tls.ConnectionState {
	c.SetDeadline(time.Now().Add(c.server.ReadHeaderTimeout))
	defer c.SetDeadline(time.Time{})
	err := c.secure.Handshake()
	if err != nil {
		c.server.ErrorLog.Printf("TLS handshake with %s: %v", c.RemoteAddr(), err)
	}
	if plain, ok := errors.AsType[tls.RecordHeaderError](err); ok && plain.Conn != nil {
		c.refuse(plain.Conn, http.StatusBadRequest, "this port speaks HTTPS: send the request to https://")
	}
	return c.secure.ConnectionState()
}
