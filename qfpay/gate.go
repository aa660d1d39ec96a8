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

// errClosed is what is left to say of a call that ended before it could leave, for no
// reason of ours.
var errClosed = errors.New("the call ended before anything was sent")

// gate is the last moment at which a call can be held back, and the witness of
// whether it was. net/http calls WroteHeaders when it has a connection and the
// header stands in its buffer, and reads the body next, in the same goroutine;
// nothing is flushed before both are in (for a body it knows to be in memory, which
// a strings.Reader is). So a call whose body is taken away there ends without a byte
// of it on the wire, and one whose gate was never passed has not left, whatever
// error came back.
type gate struct {
	ctx    context.Context
	permit *callPermit
	form   string

	mu     sync.Mutex
	body   *strings.Reader
	traced bool      // net/http makes the call, and says so
	passed time.Time // when the call left; zero: it did not
	closed error     // why it never will

	reusedConn bool // the call has a connection that was used before
}

// newGate returns a gate for a call, and the context to make the call with.
func newGate(ctx context.Context, l *callPermit, form string) (*gate, context.Context) {
	g := &gate{ctx: ctx, permit: l, form: form, body: strings.NewReader(form)}
	return g, httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{
		GetConn:      func(string) { g.trace() },
		GotConn:      func(i httptrace.GotConnInfo) { g.got(i.Reused) },
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

func (g *gate) got(reused bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.reusedConn = reused
}

// reused reports whether the call went over a connection that was used before.
func (g *gate) reused() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.reusedConn
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

// held returns why the call must not leave now, or nil. The permit may have expired while
// a connection was made: over TLS and half the world that takes longer than a permit lasts.
func (g *gate) held() error {
	if err := g.permit.renew(g.ctx); err != nil {
		return err
	}
	return context.Cause(g.ctx)
}

// close ends the call. It returns when the call left, or why it did not and, from
// here on, cannot. A transport that is not net/http's says nothing; there the body
// bears witness, since without it there is no call.
func (g *gate) close() (passed time.Time, reason error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if !g.traced && g.body.Len() < len(g.form) {
		g.passed = time.Now()
	}
	if g.passed.IsZero() && g.closed == nil {
		g.closed = errClosed
	}
	return g.passed, g.closed
}

// callPermit is the permit of one call, and how long the call has waited for it.
type callPermit struct {
	endpoint endpoint
	limiter  Limiter // nil: no limit
	permit   Permit
	waited   time.Duration
	given    time.Time // when the permit was issued, the last time
}

// acquire waits for the permit. Its error is *Throttled, or *NotSent when the limiter could
// not be asked or the context has ended: without a permit nothing goes out.
func (l *callPermit) acquire(ctx context.Context) error {
	if err := context.Cause(ctx); err != nil {
		return &NotSent{Endpoint: string(l.endpoint), Err: err}
	}
	asked := time.Now()
	if l.limiter == nil {
		l.given = asked
		return nil
	}
	permit, err := l.limiter.Acquire(ctx)
	l.waited += time.Since(asked)
	if err == nil {
		l.permit, l.given = permit, time.Now()
		return nil
	}
	l.permit = Permit{}
	if throttled, ok := errors.AsType[*Throttled](err); ok {
		named := *throttled
		named.Endpoint = string(l.endpoint)
		return &named
	}
	return &NotSent{Endpoint: string(l.endpoint), Err: err}
}

// renew replaces a permit that has expired. QFPay counts a call when it arrives: one that
// leaves late counts in a later window than the one that its permit was issued for.
func (l *callPermit) renew(ctx context.Context) error {
	if l.permit.ExpiresAt.IsZero() || time.Now().Before(l.permit.ExpiresAt) {
		return nil
	}
	l.release()
	return l.acquire(ctx)
}

// release returns a permit that was not used.
func (l *callPermit) release() {
	if l.permit.Release != nil {
		l.permit.Release()
	}
	l.permit = Permit{}
}
