// Package merchants has what a worker keeps of each merchant while it runs: its client, its limiter, its
// circuit breaker, and the count of its orders in flight. It changes the merchants under way.
//
// It never starts an order, and an order keeps the state that it was begun with. Start reading at
// [Merchants.Change].
package merchants

import (
	"log/slog"
	"math"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/qfpay-worker/qfpay-worker/qfpay"
	"github.com/qfpay-worker/qfpay-worker/tasks"
	"github.com/qfpay-worker/qfpay-worker/worker/event"
	"github.com/qfpay-worker/qfpay-worker/worker/internal/breaker"
	"github.com/qfpay-worker/qfpay-worker/worker/internal/collector"
	"github.com/qfpay-worker/qfpay-worker/worker/internal/journal"
	"github.com/qfpay-worker/qfpay-worker/worker/internal/ratelimit"
	"github.com/qfpay-worker/qfpay-worker/worker/internal/timing"
)

// Config is what the states of all merchants share.
type Config struct {
	Redis       redis.UniversalClient // for the limiters
	Keys        tasks.Keys
	HTTP        *http.Client
	CallTimeout time.Duration
	Verify      qfpay.Verify
	Concurrency int // orders in flight at once, per lane
	Observer    event.Observer
	Logger      *slog.Logger
	Windows     [2]time.Duration // of the limits; zero: a second and a minute
}

// Merchant is one merchant of the worker: its credentials, and what QFPay allows
// its app_code over all endpoints. A limit of 0 is none.
type Merchant struct {
	qfpay.Merchant
	PerSecond int
	PerMinute int
}

// account identifies the merchant's account at QFPay.
func (m Merchant) account() [3]string { return [3]string{m.BaseURL, m.AppCode, m.MchID} }

// State is what the worker has of one merchant. When a merchant changes, the next state
// takes over the breaker, the limiter and the count as far as they still apply.
type State struct {
	Client    *qfpay.Client
	Limiter   *ratelimit.Limiter // nil: no limit
	Breaker   *breaker.Breaker
	Collector collector.Collector
	InFlight  map[tasks.Lane]*atomic.Int64 // of this merchant's orders

	limits [2]int // a second, a minute
}

// Set is the merchants at one moment. It does not change; another set replaces it.
type Set struct {
	ByName           map[string]*State        // by name
	ByAppCode        map[string]*State        // by app_code, those with limits; of merchants that share one, any
	PerMerchantLimit int64                    // most orders of one merchant and lane in flight in this process
	Quotas           map[string]journal.Quota // by name: what QFPay allows their app_codes
}

func newSet(byName map[string]*State, concurrency int) *Set {
	s := &Set{ByName: byName, ByAppCode: map[string]*State{}, Quotas: map[string]journal.Quota{},
		PerMerchantLimit: perMerchantLimit(concurrency, len(byName))}
	for name, m := range byName {
		s.Quotas[name] = m.quota()
		if m.Limiter != nil {
			s.ByAppCode[m.Limiter.Limits.AppCode] = m
		}
	}
	return s
}

// perMerchantLimit is how many orders of one merchant a process has in flight in a lane at most. A
// single merchant may use all the room; of several, each may use a part, so that one whose gateway
// hangs, or three, do not hold up the others. Each lane is counted alone, as it has room of its own:
// a bulk run of a merchant holds up no customer of it.
func perMerchantLimit(concurrency, merchants int) int64 {
	if merchants <= 1 {
		return math.MaxInt64
	}
	parts := min(merchants, 4)
	return int64((concurrency + parts - 1) / parts)
}

func newState(m Merchant, c Config) *State {
	state := &State{
		Client: &qfpay.Client{
			Merchant: m.Merchant,
			HTTP:     c.HTTP,
			Timeout:  c.CallTimeout,
			Verify:   c.Verify,

			HasSigned: new(atomic.Bool),
			OnCall:    onCall(m.Name, c),
		},
		limits: [2]int{m.PerSecond, m.PerMinute},
		Breaker: &breaker.Breaker{OnChange: func(s breaker.Scope, held bool) {
			c.Observer.Observe(event.Held{Merchant: m.Name, PayType: s.PayType, Reason: s.Reason, Held: held})
		}},
		InFlight: map[tasks.Lane]*atomic.Int64{},
	}
	for _, lane := range tasks.Lanes() {
		state.InFlight[lane] = new(atomic.Int64)
	}
	if m.PerSecond > 0 || m.PerMinute > 0 {
		state.Limiter = newLimiter(c, m)
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
func (m *State) merchant() Merchant {
	return Merchant{Merchant: m.Client.Merchant, PerSecond: m.limits[0], PerMinute: m.limits[1]}
}

// quota returns what QFPay allows the merchant's app_code.
func (m *State) quota() journal.Quota {
	return journal.Quota{AppCode: m.Client.Merchant.AppCode, PerSecond: m.limits[0], PerMinute: m.limits[1]}
}

// newLimiter returns the limiter of a merchant, which reports to the observer.
func newLimiter(c Config, m Merchant) *ratelimit.Limiter {
	return ratelimit.New(ratelimit.Config{
		Redis: c.Redis, Keys: c.Keys,
		Limits: ratelimit.Limits{AppCode: m.AppCode, PerSecond: m.PerSecond, PerMinute: m.PerMinute},
		Second: c.Windows[0], Minute: c.Windows[1],
		OnReserve: func(u ratelimit.Usage) {
			c.Observer.Observe(event.LimiterWaited{Merchant: m.Name, Urgent: u.Class != ratelimit.Bulk, Waited: u.Wait,
				UsedSecond: u.UsedSecond, UsedMinute: u.UsedMinute})
		},
		OnError: func(op string) { c.Observer.Observe(event.RedisFailed{Op: op}) },
	})
}

// replace returns the state that takes the place of m: next, or m itself when nothing has
// changed. Orders in flight under both are counted together.
func (m *State) replace(next *State) *State {
	if m.merchant() == next.merchant() {
		return m
	}
	next.InFlight = m.InFlight
	if m.Client.Merchant == next.Client.Merchant {
		next.Breaker = m.Breaker
		next.Client.HasSigned = m.Client.HasSigned
	}
	if m.limits == next.limits && m.Client.Merchant.AppCode == next.Client.Merchant.AppCode {
		next.Limiter = m.Limiter
	}
	return next
}
