// Package event has what a worker reports to its observer: metrics, and benchmarks. It must not
// import anything of the worker. Start reading at [Observer].
package event

import (
	"time"

	"github.com/qfpay-worker/qfpay-worker/qfpay"
	"github.com/qfpay-worker/qfpay-worker/tasks"
)

// Observer is told what happens. Observe must not block, and is called from many goroutines. The
// worker knows nothing about its observers.
type Observer interface{ Observe(Event) }

// Event is one fact. The set of events is closed: the types below.
type Event interface{ event() }

// Settled says that this process has published the result of an order.
type Settled struct {
	Merchant string
	PayType  qfpay.PayType
	Lane     tasks.Lane
	Outcome  tasks.Outcome
	Took     time.Duration // from enqueue, or not_before if that is later, to result
	// DeferredFor is why it was deferred last; empty when it never was.
	DeferredFor DeferReason
}

// Reissued says that an order goes on under another number, since its QR code was lost.
type Reissued struct{ Merchant string }

// Started says that the first attempt at an order has begun.
type Started struct {
	Lane   tasks.Lane
	Waited time.Duration // since enqueue, or not_before if that is later
}

// InFlight says that this process has begun an attempt at an order (+1) or ended one (-1).
type InFlight struct {
	Lane  tasks.Lane
	Delta int
}

// Called says that a call was made to the gateway.
type Called struct{ qfpay.Call }

// Deferred says that an order was released without a result, to be tried again.
type Deferred struct {
	Reason DeferReason
	For    time.Duration
}

// DeferReason is why an order was deferred. Its values are labels.
type DeferReason string

// The reasons.
const (
	DeferQuota         DeferReason = "quota"                // no slot within the limits soon enough
	DeferGateway       DeferReason = "gateway"              // HTTP 429, maintenance, or not reachable
	DeferDoubt         DeferReason = "doubt"                // its fate at the gateway is not known yet
	DeferHeld          DeferReason = "held"                 // it was refused, or its pay type or its merchant is held
	DeferBusy          DeferReason = "busy"                 // another attempt has the order
	DeferMerchantLimit DeferReason = "merchant_concurrency" // too many orders of its merchant and lane are in flight in this process
	DeferShutdown      DeferReason = "shutdown"             // this process is shutting down
	DeferPaused        DeferReason = "paused"               // a person has paused its merchant, or its pay type there
	DeferUnknown       DeferReason = "unknown_merchant"     // no running worker has its merchant
	DeferElsewhere     DeferReason = "other_worker"         // handed on: another running worker has its merchant
)

// DeferReasons returns every reason.
func DeferReasons() []DeferReason {
	return []DeferReason{DeferQuota, DeferGateway, DeferDoubt, DeferHeld, DeferPaused, DeferBusy, DeferMerchantLimit, DeferShutdown, DeferUnknown, DeferElsewhere}
}

// LimiterWaited says how far off the slot was when a call asked for one, and how much of the
// quota is in use, as shares of 1. A dispatched order does not ask.
type LimiterWaited struct {
	Merchant   string
	Urgent     bool // the call was not for an order in bulk
	Waited     time.Duration
	UsedSecond float64
	UsedMinute float64
}

// Held says that a merchant, or one of its pay types, is held, or (with Held false) that it no
// longer is.
type Held struct {
	Merchant string
	PayType  qfpay.PayType // empty: the whole merchant
	Reason   string        // the respcd of the refusals, or http
	Held     bool
}

// Payment says that this process has published what became of a published QR code.
type Payment struct {
	Merchant string
	PayType  qfpay.PayType
	Event    tasks.PaymentEvent
	Took     time.Duration // from the publication of the code until it was paid, or the event was seen
}

// OpenCodes says how many published codes of a merchant this process follows; negative: another does.
type OpenCodes struct {
	Merchant string
	Codes    int
	Overdue  int // of these, codes that QFPay still shows unpaid long after their life
}

// PaidLate says that a code was paid after QFPay had shown it dead. It counts as expired or closed.
type PaidLate struct{ Merchant string }

// Closed says what became of a published QR code that was to be closed, since its order was cancelled.
type Closed struct{ Result string } // one of ClosingResults

// ClosingResults returns everything that becomes of such a code. The values are labels, and the journal's words.
func ClosingResults() []string { return []string{"closed", "paid", "cannot_close", "unclear"} }

// RedisFailed says that an operation on Redis failed.
type RedisFailed struct{ Op string }

// Notified says what became of a notification of QFPay.
type Notified struct{ Result string } // one of NotificationResults

// What becomes of a notification. Its values are labels.
const (
	NotificationRecorded   = "recorded"   // written down
	NotificationKnown      = "known"      // it was before
	NotificationUnknown    = "unknown"    // signed, about no order that was published
	NotificationMismatch   = "mismatch"   // signed, with another amount or currency than the order's
	NotificationMalformed  = "malformed"  // signed, and no notification
	NotificationForged     = "forged"     // with a wrong signature or none, or for no merchant of this process
	NotificationUnreadable = "unreadable" // too long, too slow or broken off
	NotificationUntrusted  = "untrusted"  // over plain HTTP from a host that is no proxy
	NotificationFailed     = "failed"     // Redis did not take it; QFPay sends it again
)

// NotificationResults returns everything that becomes of notifications.
func NotificationResults() []string {
	return []string{NotificationRecorded, NotificationKnown, NotificationUnknown, NotificationMismatch, NotificationMalformed,
		NotificationForged, NotificationUnreadable, NotificationUntrusted, NotificationFailed}
}

func (Settled) event()       {}
func (Reissued) event()      {}
func (Started) event()       {}
func (InFlight) event()      {}
func (Called) event()        {}
func (Deferred) event()      {}
func (LimiterWaited) event() {}
func (Held) event()          {}
func (Payment) event()       {}
func (OpenCodes) event()     {}
func (PaidLate) event()      {}
func (Closed) event()        {}
func (RedisFailed) event()   {}
func (Notified) event()      {}
