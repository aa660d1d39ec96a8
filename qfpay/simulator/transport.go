package simulator

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"os"
	"strings"
	"syscall"
)

// Transport returns a transport that passes requests for any host to g in the same process. It
// behaves like a connection: it reports to an [httptrace.ClientTrace] what was sent, and if the
// context of a request ends, the answer is lost, but the request may still be processed.
func (g *Gateway) Transport() http.RoundTripper { return transport{g} }

type transport struct{ g *Gateway }

// RoundTrip implements [http.RoundTripper].
func (t transport) RoundTrip(r *http.Request) (*http.Response, error) {
	ctx := r.Context()
	if r.Body != nil {
		defer r.Body.Close()
	}
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	trace := traceOf(r)
	if trace.GetConn != nil {
		trace.GetConn(r.URL.Host)
	}
	// net/http sends a body of unknown length chunked.
	chunked := r.ContentLength < 0 || r.ContentLength == 0 && r.Body != nil && r.Body != http.NoBody
	q, err := readRequest(r, chunked)
	if err != nil {
		return nil, err
	}
	x := t.g.arrive(q)
	if x.effect.unreachable {
		return nil, &net.OpError{Op: "dial", Net: "tcp", Err: os.NewSyscallError("connect", syscall.ECONNREFUSED)}
	}
	sent(trace)
	a, err := t.g.finish(ctx, x)
	if err != nil {
		return nil, err
	}
	switch a.cut {
	case dropped:
		return nil, io.EOF
	case reset:
		return nil, &net.OpError{Op: "read", Net: "tcp", Err: os.NewSyscallError("read", syscall.ECONNRESET)}
	}
	if trace.GotFirstResponseByte != nil {
		trace.GotFirstResponseByte()
	}
	return a.response(r), nil
}

// sent reports to a trace that a connection existed and that the request was sent on it.
func sent(trace *httptrace.ClientTrace) {
	if trace.GotConn != nil {
		trace.GotConn(httptrace.GotConnInfo{Reused: true})
	}
	if trace.WroteHeaders != nil {
		trace.WroteHeaders()
	}
	if trace.WroteRequest != nil {
		trace.WroteRequest(httptrace.WroteRequestInfo{})
	}
}

func traceOf(r *http.Request) *httptrace.ClientTrace {
	if trace := httptrace.ContextClientTrace(r.Context()); trace != nil {
		return trace
	}
	return &httptrace.ClientTrace{}
}

// response returns the response as net/http would read it.
func (a answer) response(r *http.Request) *http.Response {
	var body io.Reader = strings.NewReader(a.body)
	if a.cut == truncate {
		body = io.MultiReader(strings.NewReader(a.body[:len(a.body)/2]), broken{})
	}
	return &http.Response{
		Status:        fmt.Sprintf("%d %s", a.status, http.StatusText(a.status)),
		StatusCode:    a.status,
		Proto:         "HTTP/1.1",
		ProtoMajor:    1,
		ProtoMinor:    1,
		Header:        a.header(),
		Body:          io.NopCloser(body),
		ContentLength: int64(len(a.body)),
		Request:       r,
	}
}

// broken is the rest of a body that was cut off.
type broken struct{}

// Read implements [io.Reader].
func (broken) Read([]byte) (int, error) { return 0, io.ErrUnexpectedEOF }
