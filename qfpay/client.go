package qfpay

import (
	"context"
	"net/http"
	"sync/atomic"
	"time"
)

// endpoint is the last part of a path under /trade/v1/.
type endpoint string

const (
	payment    endpoint = "payment"
	query      endpoint = "query"
	closeOrder endpoint = "close"
	reversal   endpoint = "reversal"
)

// Permit allows one call, for a short while.
type Permit struct {
	ExpiresAt time.Time // the call must be on its way by then; zero: it does not expire
	Release   func()    // returns a permit that was not used; may be nil
}

// Limiter issues permits for calls. Every call needs one, a query too: QFPay counts all of
// them against one budget.
type Limiter interface {
	// Acquire waits until one call may leave. When that is further off than the limiter
	// lets a call wait, it returns *Throttled at once.
	Acquire(ctx context.Context) (Permit, error)
}

// Call is the record of one HTTP exchange, for metrics and logs. A failure to
// connect is one too, as not_sent; a call without a permit is not.
type Call struct {
	Merchant  string
	Endpoint  string        // payment, query, close or reversal
	Result    string        // the respcd, or one of CallResults
	Wait      time.Duration // for the permit from the limiter
	SendDelay time.Duration // from the permit to the first byte sent: intent, connection; 0 when nothing was sent
	Took      time.Duration // from the first byte sent to the last one read
	Signature Signature     // empty when there was no answer, or with VerifyOff
	Scheme    Scheme        // how a right signature was made; otherwise empty
}

// Client makes the calls of one merchant. It is a plain value whose fields are its
// configuration. A changed copy is another client that shares the HTTP connections. Use
// NewHTTPClient for HTTP.
type Client struct {
	Merchant Merchant
	HTTP     *http.Client  // from NewHTTPClient; nil: one that is shared by all clients without HTTP
	Limiter  Limiter       // nil: no limit
	Timeout  time.Duration // of one call, without the wait for a permit; 0: 10 s
	Verify   Verify        // empty: VerifyWarn
	OnCall   func(Call)    // called for every exchange; must not block; may be nil

	// HasSigned remembers that an answer of this merchant had a right signature. From then on
	// VerifyStrict requires one. Clients of one merchant share it; nil: it is not remembered.
	HasSigned *atomic.Bool
}
