package redistest

import (
	"bytes"
	"io"
	"net"
	"sync"
	"testing"
	"time"
)

// Proxy stands between clients and a server, and fails on request.
type Proxy struct {
	Addr     string // host:port to connect to
	network  string
	target   string
	listener net.Listener

	mu      sync.Mutex
	away    bool
	stalled bool
	idle    time.Duration // longest pause on a connection; 0: no limit
	cuts    int           // connections that were cut for being idle
	links   map[*link]bool
	running sync.WaitGroup
}

// link is one connection of a client, and ours to the server for it.
type link struct {
	client, server net.Conn
	replica        bool      // it asked for replication
	used           time.Time // when something last passed
}

// StartProxy runs a proxy before a server, network unix or tcp, until the test ends.
// Its port stays its own: it can be cut and mended as often as one likes.
func StartProxy(tb testing.TB, network, target string) *Proxy {
	tb.Helper()
	l, err := net.Listen("tcp4", "127.0.0.1:"+port(tb))
	if err != nil {
		tb.Fatal(err)
	}
	p := &Proxy{Addr: l.Addr().String(), network: network, target: target, listener: l, links: map[*link]bool{}}
	p.running.Go(p.accept)
	tb.Cleanup(func() {
		l.Close()
		p.Cut()
		p.running.Wait()
	})
	return p
}

// Cut ends every connection, and each new one at once, until Mend.
func (p *Proxy) Cut() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.away = true
	for l := range p.links {
		l.client.Close()
		l.server.Close()
	}
}

// Mend lets connections through again.
func (p *Proxy) Mend() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.away = false
}

// StallReplication keeps from replicas what the server sends them from now on, on
// connections that stay open: a replica that falls behind. It is never let go of.
func (p *Proxy) StallReplication() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.stalled = true
}

// CutIdle ends connections made from now on when nothing passes for d.
func (p *Proxy) CutIdle(d time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.idle = d
}

// IdleCuts returns how many connections were cut for being idle.
func (p *Proxy) IdleCuts() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.cuts
}

func (p *Proxy) accept() {
	for {
		client, err := p.listener.Accept()
		if err != nil {
			return
		}
		server, err := net.Dial(p.network, p.target)
		if err != nil {
			client.Close()
			continue
		}
		p.join(&link{client: client, server: server})
	}
}

// join lets a connection through, unless the proxy is cut.
func (p *Proxy) join(l *link) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.away {
		l.client.Close()
		l.server.Close()
		return
	}
	p.links[l] = true
	l.used = time.Now()
	if p.idle > 0 {
		p.running.Go(func() { p.watch(l, p.idle) })
	}
	p.running.Go(func() { p.copy(l, l.server, l.client) })
	p.running.Go(func() { p.copy(l, l.client, l.server) })
}

// copy passes on what comes until one side ends, and then ends both.
func (p *Proxy) copy(l *link, to, from net.Conn) {
	buffer := make([]byte, 32<<10)
	for {
		n, err := from.Read(buffer)
		if n > 0 && p.passes(l, from, buffer[:n]) {
			if _, err := to.Write(buffer[:n]); err != nil {
				break
			}
		}
		if err != nil {
			break
		}
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.links, l)
	l.client.Close()
	l.server.Close()
}

// watch cuts a connection when nothing has passed for d.
func (p *Proxy) watch(l *link, d time.Duration) {
	for pause := d; ; {
		time.Sleep(pause)
		p.mu.Lock()
		if pause = time.Until(l.used.Add(d)); !p.links[l] || pause <= 0 {
			if p.links[l] {
				p.cuts++
			}
			l.client.Close()
			l.server.Close()
			p.mu.Unlock()
			return
		}
		p.mu.Unlock()
	}
}

// passes reports whether bytes are passed on, and notes requests for replication.
func (p *Proxy) passes(l *link, from io.Reader, sent []byte) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	l.used = time.Now()
	if from == l.client {
		l.replica = l.replica || bytes.Contains(bytes.ToUpper(sent), []byte("PSYNC"))
		return true
	}
	return !p.stalled || !l.replica
}
