package worker

import (
	"maps"
	"math"
	"net/http"
	"slices"
	"sync/atomic"
	"time"

	"github.com/qfpay-worker/qfpay-worker/qfpay"
	"github.com/qfpay-worker/qfpay-worker/worker/event"
	"github.com/qfpay-worker/qfpay-worker/worker/internal/journal"
	"github.com/qfpay-worker/qfpay-worker/worker/internal/ratelimit"
	"github.com/qfpay-worker/qfpay-worker/worker/internal/timing"
)

// Merchant is one merchant of the worker: its credentials, and what QFPay allows
// its app_code over all endpoints. A limit of 0 is none.
type Merchant struct {
	qfpay.Merchant
	PerSecond int
	PerMinute int
}

// account identifies the merchant's account at QFPay.
func (m Merchant) account() [3]string { return [3]string{m.BaseURL, m.AppCode, m.MchID} }

// merchantState is what the worker has of one merchant. When a merchant changes, the next state
// takes over the breaker, the limiter and the count as far as they still apply.
type merchantState struct {
	client   *qfpay.Client
	limits   [2]int             // a second, a minute
	limiter  *ratelimit.Limiter // nil: no limit
	breaker  *breaker
	inFlight *atomic.Int64 // of this merchant's orders

	collector collector
}

// merchantSet is the merchants at one moment. It does not change; another set replaces it.
type merchantSet struct {
	byName           map[string]*merchantState // by name
	byAppCode        map[string]*merchantState // by app_code, those with limits; of merchants that share one, any
	perMerchantLimit int64                     // most orders of one merchant in flight in this process
}

func newMerchantSet(byName map[string]*merchantState, concurrency int) *merchantSet {
	s := &merchantSet{byName: byName, byAppCode: map[string]*merchantState{}, perMerchantLimit: perMerchantLimit(concurrency, len(byName))}
	for _, m := range byName {
		if m.limiter != nil {
			s.byAppCode[m.limiter.Limits.AppCode] = m
		}
	}
	return s
}

// perMerchantLimit is how many orders of one merchant a process has in flight at most. A single
// merchant may use all the room; of several, each may use a part, so that one whose gateway
// hangs, or three, do not hold up the others.
func perMerchantLimit(concurrency, merchants int) int64 {
	if merchants <= 1 {
		return math.MaxInt64
	}
	parts := min(merchants, 4)
	return int64((concurrency + parts - 1) / parts)
}

func newMerchantState(m Merchant, c Config, http *http.Client, call time.Duration) *merchantState {
	state := &merchantState{
		client: &qfpay.Client{
			Merchant: m.Merchant,
			HTTP:     http,
			Timeout:  call,
			Verify:   c.Verify,

			HasSigned: new(atomic.Bool),
			OnCall:    onCall(m.Name, c),
		},
		limits: [2]int{m.PerSecond, m.PerMinute},
		breaker: &breaker{onChange: func(s scope, held bool) {
			c.Observer.Observe(event.Held{Merchant: m.Name, PayType: s.payType, Reason: s.reason, Held: held})
		}},
		inFlight: new(atomic.Int64),
	}
	if m.PerSecond > 0 || m.PerMinute > 0 {
		state.limiter = newLimiter(c, m)
	}
	return state
}

// onCall reports the calls of a merchant to the observer, and wrong signatures to the log, once a
// minute: all answers of a gateway that signs in another way would have one.
func onCall(merchant string, c Config) func(qfpay.Call) {
	var logged atomic.Int64 // Unix seconds
	return func(call qfpay.Call) {
		c.Observer.Observe(event.Called{Call: call})
		switch call.Signature {
		case qfpay.SignatureWrong, qfpay.SignatureReflected, qfpay.SignatureUncovered:
		default:
			return
		}
		now, before := time.Now().Unix(), logged.Load()
		if now-before < int64(timing.LogAgain/time.Second) || !logged.CompareAndSwap(before, now) || c.Logger == nil {
			return
		}
		c.Logger.Error("an answer in QFPay's name has a wrong signature", "merchant", merchant, "endpoint", call.Endpoint,
			"signature", string(call.Signature), "hint", "see QfpayResponseSignatureWrong in the runbook; it is logged once a minute")
	}
}

// merchant returns the merchant that the state was made of.
func (m *merchantState) merchant() Merchant {
	return Merchant{Merchant: m.client.Merchant, PerSecond: m.limits[0], PerMinute: m.limits[1]}
}

// quota returns what QFPay allows the merchant's app_code.
func (m *merchantState) quota() journal.Quota {
	return journal.Quota{AppCode: m.client.Merchant.AppCode, PerSecond: m.limits[0], PerMinute: m.limits[1]}
}

// newLimiter returns the limiter of a merchant, which reports to the observer.
func newLimiter(c Config, m Merchant) *ratelimit.Limiter {
	return ratelimit.New(ratelimit.Config{
		Redis: c.Redis, Keys: c.Keys,
		Limits: ratelimit.Limits{AppCode: m.AppCode, PerSecond: m.PerSecond, PerMinute: m.PerMinute},
		Second: c.windows[0], Minute: c.windows[1],
		OnReserve: func(u ratelimit.Usage) {
			c.Observer.Observe(event.LimiterWaited{Merchant: m.Name, Urgent: u.Class != ratelimit.Bulk, Waited: u.Wait,
				UsedSecond: u.UsedSecond, UsedMinute: u.UsedMinute})
		},
		OnError: func(op string) { c.Observer.Observe(event.RedisFailed{Op: op}) },
	})
}

// replace returns the state that takes the place of m: next, or m itself when nothing has
// changed. Orders in flight under both are counted together.
func (m *merchantState) replace(next *merchantState) *merchantState {
	if m.merchant() == next.merchant() {
		return m
	}
	next.inFlight = m.inFlight
	if m.client.Merchant == next.client.Merchant {
		next.breaker = m.breaker
		next.client.HasSigned = m.client.HasSigned
	}
	if m.limits == next.limits && m.client.Merchant.AppCode == next.client.Merchant.AppCode {
		next.limiter = m.limiter
	}
	return next
}

// changes are the names of merchants that have changed, sorted.
type changes struct {
	added, removed, changed []string
	credentials             []string // of those changed: other credentials
	accounts                []string // of these: another account
}

func changesOf(before, after *merchantSet) changes {
	var c changes
	for _, name := range slices.Sorted(maps.Keys(after.byName)) {
		prev, next := before.byName[name], after.byName[name]
		switch {
		case prev == nil:
			c.added = append(c.added, name)
			continue
		case prev == next:
			continue
		}
		c.changed = append(c.changed, name)
		if prev.client.Merchant != next.client.Merchant {
			c.credentials = append(c.credentials, name)
		}
		if prev.merchant().account() != next.merchant().account() {
			c.accounts = append(c.accounts, name)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(before.byName)) {
		if after.byName[name] == nil {
			c.removed = append(c.removed, name)
		}
	}
	return c
}
