package qfpay

import (
	"bufio"
	"context"
	"io"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// pipe is a gateway without sockets, for use in a synctest bubble. It counts complete
// requests, and all received bytes.
type pipe struct {
	dialing  time.Duration                                             // how long a connection takes
	answer   func(n int64, r *http.Request, conn net.Conn) (more bool) // answers request n, or fails in some way
	dials    atomic.Int64
	requests atomic.Int64
	bytes    atomic.Int64
}

// client returns a client whose connections are pipes to p.
func (p *pipe) client(t *testing.T) *Client {
	h := NewHTTPClient()
	h.Transport.(*http.Transport).DialContext = func(ctx context.Context, _, _ string) (net.Conn, error) {
		p.dials.Add(1)
		select {
		case <-time.After(p.dialing):
		case <-ctx.Done():
			return nil, ctx.Err()
		}
		ours, theirs := net.Pipe()
		go p.serve(theirs)
		return ours, nil
	}
	t.Cleanup(h.CloseIdleConnections)
	return &Client{Merchant: Merchant{BaseURL: "http://gateway", AppCode: "APP", Key: testKey}, HTTP: h}
}

func (p *pipe) serve(conn net.Conn) {
	defer conn.Close()
	r := bufio.NewReader(io.TeeReader(conn, counter{&p.bytes}))
	for {
		req, err := http.ReadRequest(r)
		if err != nil {
			return
		}
		if _, err := io.ReadAll(req.Body); err != nil {
			return
		}
		if !p.answer(p.requests.Add(1), req, conn) {
			return
		}
	}
}

// created answers like a gateway that has created testOrder.
func created(_ int64, _ *http.Request, conn net.Conn) bool {
	return write(conn, createdBody())
}

func write(conn net.Conn, body string) bool {
	r := &http.Response{StatusCode: 200, ProtoMajor: 1, ProtoMinor: 1, ContentLength: int64(len(body)), Body: io.NopCloser(strings.NewReader(body))}
	return r.Write(conn) == nil
}

// counter counts what is written to it.
type counter struct{ n *atomic.Int64 }

func (c counter) Write(p []byte) (int, error) {
	c.n.Add(int64(len(p)))
	return len(p), nil
}
