package worker

import (
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/qfpay-worker/qfpay-worker/qfpay"
	"github.com/qfpay-worker/qfpay-worker/tasks"
	"github.com/qfpay-worker/qfpay-worker/worker/event"
	"github.com/qfpay-worker/qfpay-worker/worker/internal/merchants"
	"github.com/qfpay-worker/qfpay-worker/worker/internal/policy"
	"github.com/qfpay-worker/qfpay-worker/worker/internal/timing"
)

// DefaultResultsKeep is how long results are kept at most, unless [Config.ResultsKeep] says
// otherwise.
const DefaultResultsKeep = timing.ResultsKeep

// Config is everything a worker needs. New checks it.
type Config struct {
	Redis     redis.UniversalClient // journal, limiter and results
	Queue     redis.UniversalClient // asynq's servers: a client of its own, since it gets hooks; [Worker.Close] closes it
	Blocking  redis.UniversalClient // for reads that block; closed when the worker stops
	Keys      tasks.Keys            // the shard
	Merchants []Merchant            // at least one; names differ
	HTTP      *http.Client          // how the gateway is reached; nil: qfpay.NewHTTPClient

	CallTimeout     time.Duration // of one call to the gateway; 1 s to 60 s
	Verify          qfpay.Verify
	GoodsName       tasks.GoodsName // what is sent of a goods_name; empty: tasks.CleanName
	NotifyURL       string          // the notify_url of orders that have none, before /MERCHANT; empty: they have none
	LostResponse    LostResponse
	UniqueNumbers   bool // QFPay is trusted to refuse a repeated out_trade_no
	Concurrency     int  // orders in flight at once, per lane
	ShutdownTimeout time.Duration
	Durability      tasks.Durability // empty: tasks.Standard
	ResultsKeep     time.Duration    // longest that results are kept; 0: DefaultResultsKeep
	Payments        bool             // published codes are followed until they are paid or dead
	HighWater       int              // with so many results in the stream no request is accepted; 0: no bound

	Observer event.Observer // nil: events are dropped
	Logger   *slog.Logger   // nil: nothing is logged

	// A test cannot wait for minutes.
	windows [2]time.Duration // of the limits; zero: a second and a minute
	times   *timing.Times    // nil: those of CallTimeout
}

// check returns an error for every field that cannot be used.
func (c Config) check() error {
	var bad error
	require := func(ok bool, format string, args ...any) {
		if !ok {
			bad = errors.Join(bad, fmt.Errorf("worker: "+format, args...))
		}
	}
	require(c.Redis != nil, "Redis is missing")
	require(c.Queue != nil, "Queue is missing")
	require(c.Blocking != nil, "Blocking is missing")
	require(c.Keys.Prefix != "", "Keys.Prefix is empty")
	require(c.CallTimeout >= time.Second && c.CallTimeout <= time.Minute, "CallTimeout must be 1s to 60s, not %s", c.CallTimeout)
	require(c.Concurrency > 0, "Concurrency must be at least 1, not %d", c.Concurrency)
	require(c.ShutdownTimeout > c.CallTimeout, "ShutdownTimeout (%s) must be longer than CallTimeout (%s), or calls are cut off", c.ShutdownTimeout, c.CallTimeout)
	require(c.LostResponse == Auto || c.LostResponse == Reissue || c.LostResponse == LeaveIt, "LostResponse is %q", c.LostResponse)
	require(c.Durability == "" || slices.Contains(tasks.Durabilities(), c.Durability), "Durability is %q", c.Durability)
	require(c.GoodsName == "" || slices.Contains(tasks.GoodsNames(), c.GoodsName), "GoodsName is %q", c.GoodsName)
	require(c.ResultsKeep >= 0, "ResultsKeep must be 0 or more, not %s", c.ResultsKeep)
	require(c.HighWater >= 0, "HighWater must be 0 or more, not %d", c.HighWater)
	return errors.Join(bad, merchants.Check(c.Merchants))
}

// Merchant is one merchant of the worker: its credentials, and what QFPay allows
// its app_code over all endpoints. A limit of 0 is none.
type Merchant = merchants.Merchant

// nobody is the observer of a worker without one.
type nobody struct{}

func (nobody) Observe(event.Event) {}

// LostResponse says what happens to an order that stands at QFPay when the answer with its QR
// code was lost. With each setting, an order that can be paid is never published as a failure, and
// never gets a second QR code.
type LostResponse = policy.LostResponse

// The settings.
const (
	Auto    = policy.LostAuto       // Reissue where QFPay documents how to close the order, else LeaveIt
	Reissue = policy.LostReissue    // close it, and create it again under a new number
	LeaveIt = policy.LostUnresolved // publish that a person must look
)
