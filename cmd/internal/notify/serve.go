package notify

import (
	"context"
	"log/slog"
	"net"
	"net/http"
	"time"

	"github.com/qfpay-worker/qfpay-worker/cmd/internal/conns"
)

// The bounds of connections and requests. A request needs at most 64 KiB of memory.
const (
	headerTimeout   = 5 * time.Second
	readTimeout     = 10 * time.Second // headers and body
	answerTimeout   = readTimeout + redisTimeout + 5*time.Second
	idleTimeout     = 2 * time.Minute
	strangerTimeout = 15 * time.Second // within which a connection that is no proxy's must bring a signed notification
	maxHeader       = 8 << 10
	minConnections  = 32
	maxConnections  = 256
)

// Serve receives notifications until ctx ends. Then it accepts no more, and waits for the requests in
// flight, at most for grace. The listener is always closed. certificate is nil for plain HTTP.
//
// Serve returns an error if it ends before ctx.
func Serve(ctx context.Context, l net.Listener, certificate *conns.Certificate, grace time.Duration, c Config) error {
	h := &http.Server{
		Handler:           newReceiver(c),
		ReadHeaderTimeout: headerTimeout, ReadTimeout: readTimeout, WriteTimeout: answerTimeout, IdleTimeout: idleTimeout,
		MaxHeaderBytes: maxHeader, DisableGeneralOptionsHandler: true,
		ErrorLog: slog.NewLogLogger(c.Logger.Handler(), slog.LevelDebug),
	}
	bound := conns.Bound(l, h, conns.Config{Limit: conns.Limit(8, minConnections, maxConnections),
		Patience: strangerTimeout, Dropped: c.Dropped, Logger: c.Logger})
	return conns.Serve(ctx, h, bound, certificate, grace)
}
