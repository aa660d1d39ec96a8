package worker

import (
	"math"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/qfpay-worker/qfpay-worker/qfpay"
)

// Merchant is one merchant of the worker: its credentials, and what QFPay allows
// its app_code over all endpoints. A limit of 0 is none.
type Merchant struct {
	qfpay.Merchant
	PerSecond int
	PerMinute int
}

// counter is a merchant at work: where its orders are handed in.
type counter struct {
	client  *qfpay.Client
	limiter *limiter // nil: no limit
	hold    hold
	inHand  atomic.Int64 // orders of this merchant
}

// crowdOf is how many orders of one merchant a process has in hand at most: all it can
// for a single merchant, else a part, so that one whose gateway hangs, or three, do not
// hold up the others.
func crowdOf(concurrency, merchants int) int64 {
	if merchants <= 1 {
		return math.MaxInt64
	}
	parts := min(merchants, 4)
	return int64((concurrency + parts - 1) / parts)
}

func newCounter(m Merchant, c Config, http *http.Client, call time.Duration) *counter {
	at := &counter{client: &qfpay.Client{
		Merchant: m.Merchant,
		HTTP:     http,
		Timeout:  call,
		Verify:   c.Verify,
		OnCall:   func(call qfpay.Call) { c.Observer.Observe(Called{call}) },
	}}
	if m.PerSecond > 0 || m.PerMinute > 0 {
		at.limiter = newLimiter(c.Redis, c.Keys, m, c.Observer)
	}
	return at
}
