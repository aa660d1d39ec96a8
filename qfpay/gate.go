package qfpay

import (
	"context"
	"errors"
	"io"
	"net/http/httptrace"
	"strings"
	"sync"
	"time"
)

// errShut is what is left to say of a call that ended before it could leave, for no
// reason of ours.
var errShut = errors.New("the call ended before anything was sent")

// gate is the last moment at which a call can be held back, and the witness of
// whether it was. net/http calls WroteHeaders when it has a connection and the
// header stands in its buffer, and reads the body next, in the same goroutine;
// nothing is flushed before both are in (for a body it knows to be in memory, which
// a strings.Reader is). So a call whose body is taken away there ends without a byte
// of it on the wire, and one whose gate was never passed has not left, whatever
// error came back.
type gate struct {
	ctx   context.Context
	lease *lease
	form  string

	mu     sync.Mutex
	body   *strings.Reader
	traced bool      // net/http makes the call, and says so
	passed time.Time // when the call left; zero: it did not
	closed error     // why it never will
}

// newGate returns a gate for a call, and the context to make the call with.
func newGate(ctx context.Context, l *lease, form string) (*gate, context.Context) {
	g := &gate{ctx: ctx, lease: l, form: form, body: strings.NewReader(form)}
	return g, httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{
		GetConn:      func(string) { g.trace() },
		WroteHeaders: g.pass,
	})
}

// reader returns the body to send.
func (g *gate) reader() io.Reader { return g.body }

func (g *gate) trace() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.traced = true
}

// pass lets the call through, or takes its body away.
func (g *gate) pass() {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.closed == nil {
		g.closed = g.held()
	}
	if g.closed != nil {
		g.body.Reset("")
		return
	}
	g.passed = time.Now()
}

// held says why the call must not leave now, if so. Leave may have lapsed while a
// connection was made: over TLS and half the world that takes longer than the
// limiter's margin, and QFPay counts calls when they arrive.
func (g *gate) held() error {
	if err := g.lease.renew(g.ctx); err != nil {
		return err
	}
	return context.Cause(g.ctx)
}

// shut ends the call. It returns when the call left, or why it did not and, from
// here on, cannot. A transport that is not net/http's says nothing; there the body
// bears witness, since without it there is no call.
func (g *gate) shut() (passed time.Time, reason error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if !g.traced && g.body.Len() < len(g.form) {
		g.passed = time.Now()
	}
	if g.passed.IsZero() && g.closed == nil {
		g.closed = errShut
	}
	return g.passed, g.closed
}
