// Package conns bounds the connections of an HTTP server, so that strangers can neither use up the
// descriptors of the process nor keep others from being served.
//
// When a connection comes and there are too many, another one is closed: first one of a stranger,
// then one that is idle. A stranger is who has not shown a token. Of strangers, it is one from where
// most of them come, so that a flood closes its own; of these, one that asks for nothing before one
// whose request is being served; and of several, the one that has been so for longest. A request of
// somebody known is never cut off.
//
// It also serves until a context ends, reads a TLS certificate again when it changes, and answers with a
// problem what is no request.
package conns

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/qfpay-worker/qfpay-worker/internal/seldom"
)

// Why a connection was dropped: the values of the label reason.
const (
	AcceptError = "accept_error" // the system gave none, for want of descriptors for example
	Full        = "full"         // closed to make room
	NoToken     = "no_token"     // it showed no token in time
)

// Config configures a listener.
type Config struct {
	Limit    int                 // the most connections at once, at least 1
	Patience time.Duration       // within which a stranger must show a token; 0: there are no tokens
	Dropped  func(reason string) // called for each dropped connection; nil: nobody counts
	Logger   *slog.Logger        // nil: no log
}

// Limit returns how many connections a server may have in a process: a share of its descriptors,
// within low and high; low where the system does not say how many it has. The rest is for Redis, the
// gateway and files.
func Limit(share, low, high int) int {
	return max(low, int(min(descriptors()/uint64(share), uint64(high))))
}

// Listener bounds the connections of a server that it is attached to.
type Listener struct {
	net.Listener
	Config
	failed *seldom.Teller

	mu    sync.Mutex
	open  map[*conn]struct{}
	hosts map[netip.Prefix]*host // that strangers come from
}

// Bound returns a listener for h, which must be served with it.
func Bound(l net.Listener, h *http.Server, c Config) *Listener {
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	if c.Dropped == nil {
		c.Dropped = func(string) {}
	}
	b := &Listener{Listener: l, Config: c, open: map[*conn]struct{}{}, hosts: map[netip.Prefix]*host{}}
	b.failed = seldom.New(func(n int, attrs ...any) {
		c.Logger.Warn("connections cannot be accepted", append(attrs, "count", n, "addr", l.Addr().String())...)
	})
	h.ConnState = b.state
	h.ConnContext = func(ctx context.Context, c net.Conn) context.Context {
		return context.WithValue(ctx, connKey{}, find(c))
	}
	return b
}

// acceptPause is the pause after an error of the system.
const acceptPause = 50 * time.Millisecond

// Accept implements [net.Listener]. Errors that pass, such as a want of descriptors, are counted and
// logged, and then it goes on.
func (l *Listener) Accept() (net.Conn, error) {
	for {
		c, err := l.Listener.Accept()
		if err == nil {
			return l.admit(c), nil
		}
		if !passes(err) {
			return nil, err
		}
		l.Dropped(AcceptError)
		l.failed.Note("error", err)
		time.Sleep(acceptPause)
	}
}

func passes(err error) bool {
	for _, one := range []error{syscall.EMFILE, syscall.ENFILE, syscall.ENOBUFS, syscall.ENOMEM, syscall.ECONNABORTED} {
		if errors.Is(err, one) {
			return true
		}
	}
	return false
}

// conn is one connection. Its fields but handled are guarded by the listener.
type conn struct {
	net.Conn
	from    *Listener
	host    *host
	handled atomic.Bool // a handler answers a request, or has just answered it

	known  bool
	active bool
	since  time.Time // of known and active
	timer  *time.Timer
}

// host is where connections come from: an IPv4 address, or a network of IPv6, all of whose addresses
// one machine can have.
type host struct {
	name      netip.Prefix
	strangers int // open connections
}

// hostOf returns where a connection comes from, and counts it as a stranger's.
func (l *Listener) hostOf(raw net.Conn) *host {
	var name netip.Prefix // of a socket without an address
	if from, err := netip.ParseAddrPort(raw.RemoteAddr().String()); err == nil {
		address := from.Addr().Unmap()
		name, _ = address.Prefix(min(64, address.BitLen()))
	}
	h := l.hosts[name]
	if h == nil {
		h = &host{name: name}
		l.hosts[name] = h
	}
	h.strangers++
	return h
}

// leave notes that a connection is a stranger's no more.
func (l *Listener) leave(h *host) {
	if h.strangers--; h.strangers == 0 {
		delete(l.hosts, h.name)
	}
}

// admit makes room for a connection.
func (l *Listener) admit(raw net.Conn) net.Conn {
	c := &conn{Conn: raw, from: l, since: time.Now()}
	l.mu.Lock()
	c.host = l.hostOf(raw)
	var victim *conn
	if len(l.open) >= l.Limit {
		victim = l.victim()
		if victim == nil { // everybody is known and busy
			victim = c
		}
	}
	l.open[c] = struct{}{}
	if l.Patience > 0 {
		c.timer = time.AfterFunc(l.Patience, c.lose)
	}
	l.mu.Unlock()
	if victim != nil {
		l.Dropped(Full)
		victim.Close()
	}
	return c
}

// CloseWrite says that nothing more is sent, where the connection can.
func (c *conn) CloseWrite() error {
	if half, ok := c.Conn.(interface{ CloseWrite() error }); ok {
		return half.CloseWrite()
	}
	return nil
}

// victim returns the connection to close, or nil.
func (l *Listener) victim() *conn {
	var found *conn
	for c := range l.open {
		if (!c.known || !c.active) && (found == nil || c.before(found)) {
			found = c
		}
	}
	return found
}

// before reports whether a connection is closed before another one to make room.
func (c *conn) before(other *conn) bool {
	switch {
	case c.known != other.known:
		return other.known
	case !c.known && c.host.strangers != other.host.strangers:
		return c.host.strangers > other.host.strangers
	case c.active != other.active:
		return other.active
	}
	return c.since.Before(other.since)
}

// lose closes the connection of a stranger who was given enough time.
func (c *conn) lose() {
	c.from.mu.Lock()
	_, open := c.from.open[c]
	lost := open && !c.known
	c.from.mu.Unlock()
	if lost {
		c.from.Dropped(NoToken)
		c.Close()
	}
}

// Close implements [net.Conn].
func (c *conn) Close() error {
	c.from.mu.Lock()
	if _, open := c.from.open[c]; open && !c.known {
		c.from.leave(c.host)
	}
	delete(c.from.open, c)
	if c.timer != nil {
		c.timer.Stop()
	}
	c.from.mu.Unlock()
	return c.Conn.Close()
}

// state implements [http.Server.ConnState].
func (l *Listener) state(given net.Conn, s http.ConnState) {
	c := find(given)
	if c == nil || s != http.StateActive && s != http.StateIdle {
		return
	}
	if s == http.StateIdle {
		c.handled.Store(false)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	c.active, c.since = s == http.StateActive, time.Now()
}

// handled notes that a request has reached its handler, which answers it from now on.
func handled(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		r.Context().Value(connKey{}).(*conn).handled.Store(true)
		next.ServeHTTP(w, r)
	})
}

type connKey struct{}

// Known notes that the client of a request has shown a token.
func Known(r *http.Request) {
	c, _ := r.Context().Value(connKey{}).(*conn)
	if c == nil {
		return
	}
	c.from.mu.Lock()
	defer c.from.mu.Unlock()
	if _, open := c.from.open[c]; open && !c.known {
		c.from.leave(c.host)
	}
	c.known = true
	if c.timer != nil {
		c.timer.Stop()
	}
}

// find returns the connection below TLS.
func find(given net.Conn) *conn {
	for {
		switch c := given.(type) {
		case *conn:
			return c
		case interface{ NetConn() net.Conn }:
			given = c.NetConn()
		default:
			return nil
		}
	}
}
