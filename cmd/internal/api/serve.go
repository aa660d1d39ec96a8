package api

import (
	"context"
	"log/slog"
	"net"
	"net/http"
	"time"

	"github.com/qfpay-worker/qfpay-worker/cmd/internal/conns"
)

// The timeouts of a connection. An upload sets its own.
const (
	headerTimeout = 5 * time.Second  // of a caller whose connection is known; of a stranger's, see strangerTimeout
	answerTimeout = 30 * time.Second // from the end of the headers: body, Redis and answer
	idleTimeout   = 2 * time.Minute
	maxHeader     = 16 << 10
)

// The bounds of the number of connections, which is an eighth of the process's descriptors. A
// connection needs about 20 KiB.
const (
	minConnections = 96 // more than maxRequests and maxWaits
	maxConnections = 1024
)

// Serve answers requests until ctx ends. Then it accepts no more, and waits for the requests in
// flight, at most for grace, after which it closes their connections. Uploads end at once, with
// an answer that says so. The listener is always closed. certificate is nil for plain HTTP.
//
// Serve returns an error if it ends before ctx.
func Serve(ctx context.Context, l net.Listener, certificate *conns.Certificate, grace time.Duration, c Config) error {
	c.Stopping = ctx
	log := c.Logger
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	h := &http.Server{
		Handler:           New(c),
		ReadHeaderTimeout: headerTimeout, ReadTimeout: bodyTimeout, WriteTimeout: answerTimeout, IdleTimeout: idleTimeout,
		MaxHeaderBytes: maxHeader, DisableGeneralOptionsHandler: true,
		// Failed handshakes and the like: anybody can cause them, so they are not warnings.
		ErrorLog: slog.NewLogLogger(log.Handler(), slog.LevelDebug),
	}
	bound := conns.Bound(l, h, conns.Config{Limit: orElse(c.Connections, conns.Limit(8, minConnections, maxConnections)),
		Patience: orElse(c.Patience, strangerTimeout), Dropped: c.Dropped, Logger: log})
	return conns.Serve(ctx, h, bound, certificate, grace)
}
