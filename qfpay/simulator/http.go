package simulator

import (
	"net"
	"net/http"
	"slices"
	"strings"
)

// ServeHTTP implements [http.Handler]: QFPay's endpoints, and /_simulator/ for
// requests from loopback addresses.
func (g *Gateway) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if strings.HasPrefix(r.URL.Path, adminPath) {
		g.serveAdmin(w, r)
		return
	}
	q, err := readRequest(r, slices.Contains(r.TransferEncoding, "chunked"))
	if err != nil {
		return // the request was cut off
	}
	a, err := g.handle(r.Context(), q)
	if err != nil {
		return // the client has disconnected
	}
	write(w, a)
}

// write sends an answer, or the part that its cut leaves.
func write(w http.ResponseWriter, a answer) {
	switch a.cut {
	case dropped:
		hangUp(w, false)
		return
	case reset:
		hangUp(w, true)
		return
	}
	for name, values := range a.header() {
		w.Header()[name] = values
	}
	w.WriteHeader(a.status)
	if a.cut == truncate {
		_, _ = w.Write([]byte(a.body[:len(a.body)/2])) // the client may have disconnected
		_ = http.NewResponseController(w).Flush()
		panic(http.ErrAbortHandler) // net/http's way of closing a connection within an answer
	}
	_, _ = w.Write([]byte(a.body))
}

// hangUp closes the connection without an answer, with a TCP reset if reset is set.
func hangUp(w http.ResponseWriter, reset bool) {
	conn, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		panic(http.ErrAbortHandler) // HTTP/2, or no connection at all
	}
	if tcp, ok := conn.(*net.TCPConn); ok && reset {
		_ = tcp.SetLinger(0) // so that closing sends RST, not FIN
	}
	_ = conn.Close()
}
