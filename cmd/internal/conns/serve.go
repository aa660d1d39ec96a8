package conns

import (
	"context"
	"errors"
	"net/http"
	"time"
)

// Serve serves h, which has an ErrorLog, until ctx ends. Then it accepts no more requests, and waits for
// those in flight, at most for grace, after which it closes their connections. The listener is always
// closed. certificate is nil for plain HTTP.
//
// It speaks HTTP/1 only: of HTTP/2, net/http resets or answers by itself what it cannot read, and nobody
// can put a [Problem] in the place of that; and one connection would be many requests of a stranger.
//
// Serve returns an error if it ends before ctx.
func Serve(ctx context.Context, h *http.Server, l *Listener, certificate *Certificate, grace time.Duration) error {
	stopped := make(chan struct{})
	stay := context.AfterFunc(ctx, func() {
		defer close(stopped)
		last, cancel := context.WithTimeout(context.Background(), grace)
		defer cancel()
		if h.Shutdown(last) != nil {
			h.Close()
		}
	})
	h.Protocols = new(http.Protocols)
	h.Protocols.SetHTTP1(true)
	h.Handler = handled(h.Handler)
	err := h.Serve(listener{l, h, certificate.config()})
	if stay() { // ctx has not ended
		h.Close()
		return err
	}
	<-stopped
	if errors.Is(err, http.ErrServerClosed) {
		return nil
	}
	return err
}
