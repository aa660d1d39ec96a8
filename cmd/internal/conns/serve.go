package conns

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"net/http"
	"time"
)

// Serve serves h until ctx ends. Then it accepts no more requests, and waits for those in flight, at
// most for grace, after which it closes their connections. The listener is always closed. certificate
// is nil for plain HTTP.
//
// Serve returns an error if it ends before ctx.
func Serve(ctx context.Context, h *http.Server, l net.Listener, certificate *Certificate, grace time.Duration) error {
	stopped := make(chan struct{})
	stay := context.AfterFunc(ctx, func() {
		defer close(stopped)
		last, cancel := context.WithTimeout(context.Background(), grace)
		defer cancel()
		if h.Shutdown(last) != nil {
			h.Close()
		}
	})
	err := serve(h, l, certificate)
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

func serve(h *http.Server, l net.Listener, certificate *Certificate) error {
	if certificate == nil {
		return h.Serve(l)
	}
	h.TLSConfig = &tls.Config{MinVersion: tls.VersionTLS12, GetCertificate: certificate.get}
	return h.ServeTLS(l, "", "")
}
