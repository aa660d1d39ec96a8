package api

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"regexp"
	"strconv"
	"strings"
)

// problemListener turns the answers that net/http itself writes, to a request that it cannot read and
// so gives to no handler, into problems. Over TLS they stay plain text: only net/http sees them there.
type problemListener struct{ net.Listener }

// Accept implements [net.Listener].
func (l problemListener) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return problemConn{c}, nil
}

type problemConn struct{ net.Conn }

// NetConn returns the connection below, as that of [tls.Conn].
func (c problemConn) NetConn() net.Conn { return c.Conn }

// ownAnswer matches what net/http writes by itself. No handler of ours begins an answer like this.
var ownAnswer = regexp.MustCompile(`\AHTTP/1\.1 (417) |\AHTTP/1\.1 (4\d\d|501|505) [^\r\n]*\r\nContent-Type: text/plain; charset=utf-8\r\nConnection: close\r\n\r\n`)

// Write implements [net.Conn].
func (c problemConn) Write(text []byte) (int, error) {
	own := ownAnswer.FindSubmatch(text)
	if own == nil {
		return c.Conn.Write(text)
	}
	status, _ := strconv.Atoi(string(own[1]) + string(own[2])) // one of them is empty
	_, reason, _ := strings.Cut(string(text[len(own[0]):]), ": ")
	if _, err := c.Conn.Write(malformed(status, reason)); err != nil {
		return 0, err
	}
	return len(text), nil
}

// malformed returns the whole answer to a request that cannot be read. reason is that of net/http,
// which quotes nothing of the request.
func malformed(status int, reason string) []byte {
	p := problem{Status: status, Detail: "the request cannot be read; check its path and headers"}
	if reason != "" && status == http.StatusBadRequest {
		p.Detail += ": " + reason
	}
	if status == http.StatusRequestHeaderFieldsTooLarge {
		p.Detail = fmt.Sprintf("the headers have more than %d bytes", maxHeader)
	}
	body, _ := json.Marshal(p.titled()) // no type of ours fails
	var out bytes.Buffer
	fmt.Fprintf(&out, "HTTP/1.1 %d %s\r\nContent-Type: application/problem+json\r\nContent-Length: %d\r\nCache-Control: no-store\r\nConnection: close\r\n\r\n%s",
		status, http.StatusText(status), len(body), body)
	return out.Bytes()
}
