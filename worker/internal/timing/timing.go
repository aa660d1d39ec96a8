// Package timing has every constant of time of the worker: who waits how long, and for what. The
// table in docs/retries.md is made of it.
//
// It decides nothing and waits for nothing. Start reading at [Times].
package timing

import "time"

// Times are the spans of time of one order. Only the call timeout is configured; the others
// follow from it, so that they cannot contradict each other:
//
//	Call < Attempt < Lease < LandingTime
//
// An attempt ends before its lease does, so none of its calls leaves without a lease. An order
// counts as not found only when every create that has left must have landed.
type Times struct {
	Call        time.Duration // one exchange with the gateway
	Attempt     time.Duration // one attempt: a wait for a slot, and a call
	Lease       time.Duration // of an order; a killed worker's orders are due when it ends
	LandingTime time.Duration // after a create has left; until then "not found" proves nothing
	Doubt       time.Duration // between queries about an order in doubt, at first
	MaxDoubt    time.Duration // between such queries at most
	CloseAgain  time.Duration // before an order is closed again whose close was refused, at first
	Alone       time.Duration // before an order that is refused alone is tried again, at first
	Held        time.Duration // until an order of a held or unknown merchant is tried again, at most
	Maintenance time.Duration // before the next try when QFPay is being maintained (1100)
	Damaged     time.Duration // before an order with a damaged journal is tried again, doubled each time
	CodeMinute  time.Duration // a minute in the life of a QR code: a test cannot wait for minutes
}

// For returns the times that follow from the timeout of one call.
//
// The pause between two queries about an order in doubt is half of the time since it was sent,
// so that they become rare, between Doubt and MaxDoubt. QFPay suggests 3 to 5 s before the first
// query, and a delayed retry while it is being maintained.
func For(call time.Duration) Times {
	t := Times{Call: call, Doubt: 3 * time.Second, MaxDoubt: time.Minute, CloseAgain: 2 * time.Minute,
		Alone: MinOpen, Held: 30 * time.Second, Maintenance: 30 * time.Second, Damaged: 3 * time.Second, CodeMinute: time.Minute}
	t.Attempt = MaxWait + t.Call + Margin
	t.Lease = t.Attempt + 2*Margin
	t.LandingTime = t.Lease + t.Call
	return t
}

// OfCode returns how long a time in the life of a QR code takes.
func (t Times) OfCode(d time.Duration) time.Duration {
	return time.Duration(d.Minutes() * float64(t.CodeMinute))
}

// One order.
const (
	// Margin is what scripts and scheduling may take beside a call and the wait for its slot.
	Margin = time.Second
	// SettleTimeout is how long the worker tries to write a result, with a context of its own:
	// the payment exists whether the worker has time or not.
	SettleTimeout = 30 * time.Second
	// DoubtTimeout is how long after its deadline QFPay is still queried about an order in
	// doubt, before it ends unresolved and a person has to look. An order whose QR code lives longer is
	// queried until that has run out.
	DoubtTimeout = 15 * time.Minute
	// RunOutLag is how long after the end of a lost QR code's life its order is still waited for:
	// QFPay's clock differs, a create may have landed late, and queries lag behind.
	RunOutLag = 5 * time.Minute

	// ShortestCode is how long a lost QR code is waited for whose life QFPay does not tell: PayMe's live
	// 120 s on terminals. Nobody knows that it clears itself later, so a person is called then.
	ShortestCode = 2 * time.Minute
	// Retention is how long the journal of a settled order is kept, and so how long a repeated
	// order is recognized as a duplicate. QFPay refuses the number for ever.
	Retention = 30 * 24 * time.Hour
	// ClockSkew is how much earlier than our first create an order at QFPay may be, by QFPay's
	// clock, and still be ours.
	ClockSkew = 15 * time.Minute
	// ClaimWithin is how long an order that was dispatched from a wait queue may stay unclaimed,
	// before it is due.
	ClaimWithin = 3 * time.Second
	// DamagedAgain is how long a due order whose journal is gone or damaged is not looked at again.
	DamagedAgain = 15 * time.Minute
)

// Damaged journals.
const (
	// DamagedTries is how often an order with a damaged journal is tried before it is put aside.
	DamagedTries = 3
)

// Deferrals.
const (
	// A circuit breaker lets a probe through after MinOpen, doubled each time, up to MaxOpen.
	MinOpen = 5 * time.Second
	MaxOpen = 5 * time.Minute
	// What QFPay took within Proven is held only after many refusals in a row.
	Proven = 30 * time.Second
	// ProbeOther is how long a probe waits for an order that was not refused yet, while there is
	// one. It is longer than such an order is put off.
	ProbeOther = 40 * time.Second
	// PausedAgain is how long an order that a person has paused is not looked at again. Whoever ends the
	// pause makes its orders due.
	PausedAgain = 5 * time.Minute
	// MaxCloseAgain is the longest pause before another close of an order whose close was refused, and
	// before another query about one that stands unpaid and cannot be closed. In between the order is left alone: its QR code, which nobody has, runs out.
	MaxCloseAgain = 10 * time.Minute
	// MerchantLimitPause is for an order over its merchant's share of the worker, where the
	// merchant has no limits and so no wait queue.
	MerchantLimitPause = time.Second
	// QueueGrace is how much later than twice the length of its wait queue a queued order is
	// due, in case it is never dispatched.
	QueueGrace = time.Minute
)

// Limiter.
const (
	// Guard makes both windows longer than the gateway's, by the time that the way there may
	// add to one call and not to the next. It costs 0.4 % of a minute's quota.
	Guard = 250 * time.Millisecond
	// ReservationTTL is how long a reservation may be used. A process that was stopped for
	// longer gives it up: used late, the call would fall into a window that has no room for it.
	ReservationTTL = 100 * time.Millisecond
	// MinSpacing is the least time between two calls, so that a burst does not arrive at the
	// gateway as one.
	MinSpacing = 10 * time.Millisecond
	// MaxWait is how long an attempt waits for a slot. When the slot is further off, the order
	// joins a wait queue, so that the limit of one merchant does not hold up the others.
	MaxWait = time.Second
	// BulkReserveAhead is how far ahead bulk reserves slots while there are interactive orders,
	// which have to wait behind these.
	BulkReserveAhead = 200 * time.Millisecond
	// DispatchAhead is how far ahead queued orders get their slots: near enough to be used in
	// time. New orders in bulk reserve no further ahead.
	DispatchAhead = 300 * time.Millisecond
	// DispatchInterval is the least time between two looks at a wait queue, while bulk is alone.
	DispatchInterval = 150 * time.Millisecond
	// After HTTP 429 all calls of the app_code pause for 1 s, 2 s, 4 s …, as QFPay's guidelines
	// have it.
	FirstPause = time.Second
	MaxPause   = 30 * FirstPause
	// JoinQuery is how long a query waits for others of the merchant, to go with it in one call.
	JoinQuery = 20 * time.Millisecond
	// WindowReach is how far apart from the leader's the creates of orders in doubt were sent that are
	// asked about in one window of time, and WindowMargin by how much the window is longer at its
	// beginning: QFPay's clock differs. At its end it is twice that, since creates take time to arrive.
	WindowReach  = time.Minute
	WindowMargin = 2 * time.Second
	// SightedFor is how long what a window has shown answers others that ask: that many seconds of a burst
	// are dispatched before a window must be read again. JustShown is the same for an order that may be
	// closed or issued again by it.
	SightedFor = 10 * time.Second
	JustShown  = 2 * time.Second
	// AskApart is how long orders are asked about one by one after a query for several failed for
	// what may be one of them.
	AskApart = time.Minute
	// CancelTimeout bounds how long it takes to cancel reservations. They run out anyway.
	CancelTimeout = time.Second
)

// Dispatcher, and the end of a worker.
const (
	// An order that is due is dispatched within RoundEvery. Where none is due for a while, one
	// round of the dispatcher in RoundIdle is enough: a process that defers an order for less
	// than that tells its own dispatcher.
	RoundEvery = 200 * time.Millisecond
	RoundIdle  = time.Second
	// Wait queues that were handed to a process without room for their orders are handed out
	// again after WaitingAgain.
	WaitingAgain = 100 * time.Millisecond
	// WatchEvery is how often a process looks whether Redis's clock went back or a queue is paused,
	// tells the others which merchants it has, and learns which are paused by hand. ClockSlack is by how much the clock may go back without a
	// correction.
	WatchEvery = 2 * time.Second
	ClockSlack = time.Second
	// MerchantTold is how long a process that has told its merchants counts as running.
	MerchantTold = 15 * time.Second
	// MerchantUnknown is how long a merchant that no running worker has counts as waited for after a
	// look at an order of it. It is longer than the time until the next look.
	MerchantUnknown = time.Minute
	// AfterOutage is how long dispatchers pause after Redis was away. The attempts that have QR
	// codes publish them before other attempts claim their orders, whose leases may have run out:
	// those could only query, close and reissue. So it is longer than the longest pause between two
	// tries to publish.
	AfterOutage = 4 * time.Second
	// LastCommands is how long a worker without orders in flight waits for its last commands.
	LastCommands = 60 * time.Millisecond
)

// Closing published orders that somebody has asked to cancel.
const (
	// ClosingEvery is how often a process looks for such orders, and ClosingAtOnce how many it works on.
	ClosingEvery  = time.Second
	ClosingAtOnce = 16
	// ClosingGivenUp is how long after the request it is tried. By then the codes have run out whose
	// life QFPay documents.
	ClosingGivenUp = 24 * time.Hour
)

// asynq.
const (
	// LongestBlock bounds how long one BLMOVE blocks. It must stay below go-redis's read timeout
	// (3 s). Each block costs two commands.
	LongestBlock = 1500 * time.Millisecond
	// LongestWait bounds how long a dequeue is delayed in total: half of asynq's lease.
	LongestWait = 15 * time.Second
	// DequeuePause is between two dequeues of which the first failed, doubled each time, up to
	// MaxDequeuePause. asynq asks again at once: an idle worker would ask a Redis that is out of
	// memory more than 20,000 times a second, since go-redis does not back off after such an error.
	DequeuePause    = 250 * time.Millisecond
	MaxDequeuePause = 2 * time.Second
	// DequeueFails is how long dequeues fail before a worker is not ready.
	DequeueFails = 10 * time.Second
	// EmptyPause is between two dequeues of which the first found nothing although the queue had
	// a task: the queue is paused, or another worker was faster.
	EmptyPause = 80 * time.Millisecond
	// AckPause is between two tries to acknowledge a task.
	AckPause = 250 * time.Millisecond
	// DrainTimeout is how long a worker that stops waits until asynq has taken the tasks that
	// were fetched ahead.
	DrainTimeout = 250 * time.Millisecond
	// BatchInterval is the most time between a large batch of scripts and the next one.
	BatchInterval = time.Millisecond
	// TaskCheck is asynq's pause after a dequeue that found nothing. The hook has waited before,
	// so it is short; a shutdown waits for it.
	TaskCheck = 5 * time.Millisecond
	// ForwarderInterval is how often asynq looks for tasks that it repeats: only runs that failed
	// because Redis did, not orders.
	ForwarderInterval = 3 * time.Second
	// LogAgain is how long a log line of asynq, or one about an unknown merchant, is not repeated.
	LogAgain = time.Minute
	// A run that failed because Redis did is repeated after RunAgain, and up to twice as long.
	RunAgain = 2 * time.Second
)

// Streams.
const (
	// IntakeBlock is how long one read of the request stream blocks.
	IntakeBlock = time.Second
	// CancelsEvery is how often a process looks for requests to cancel.
	CancelsEvery = 500 * time.Millisecond
	// IntakeIdle is how long a request is pending before another worker takes it over.
	IntakeIdle = 30 * time.Second
	// IntakeLast is for requests that were read when a shutdown began.
	IntakeLast = 3 * time.Second
	// TrimEvery is how often one process trims the result stream.
	TrimEvery = time.Minute
	// ResultsKeep is how long results are kept at most, unless it is configured.
	ResultsKeep = 7 * 24 * time.Hour
	// ReadKept is how long results stay that every group has acknowledged, for people who look
	// for them, unless the stream is half full.
	ReadKept = 24 * time.Hour
	// TrimWarning is how long workers warn before they remove results for their age that a group
	// has not read.
	TrimWarning = 24 * time.Hour
	// AuditPause is before an audit reads an order again that seems to break a rule.
	AuditPause = 250 * time.Millisecond
)

// Published codes, and the queries about them.
const (
	// LongestCode is how long a code may live whose life QFPay does not tell: expired_time goes to
	// 120 minutes.
	LongestCode = 2 * time.Hour
	// PaymentLag is how long after the end of its life a code may still turn out to be paid: QFPay's
	// clock differs, and its queries lag behind.
	PaymentLag = 15 * time.Second
	// FirstLook is how long after its publication a code is asked about first: QFPay suggests 3 to 5 s.
	FirstLook = 4 * time.Second
	// A code is asked about every FreshLook while it is younger than FreshFor, every YoungLook while it
	// is younger than YoungFor, and then every OldLook until the end of its life.
	FreshLook = 8 * time.Second
	FreshFor  = 90 * time.Second
	YoungLook = 20 * time.Second
	YoungFor  = 10 * time.Minute
	OldLook   = 40 * time.Second
	// EndedLook is the interval in which codes are asked about whose life is over, and LateLook the
	// longest between two looks at one of them.
	EndedLook = 30 * time.Second
	LateLook  = 24 * time.Hour
	// Overdue is how long after its life a code that QFPay still shows unpaid is shown to a person, and
	// between two log lines about such codes.
	Overdue = time.Hour
	// AbsentAgain is between two looks of which neither finds a code whose life is over: then it never
	// was payable.
	AbsentAgain = EndedLook - time.Second
	// FollowEvery is how often a follower looks whether a look is due, and FollowLease how long after its
	// last sign another worker follows instead.
	FollowEvery = time.Second
	FollowLease = 15 * time.Second
	// FollowAgain and MaxFollowAgain are between two tries while QFPay refuses or does not answer.
	FollowAgain    = 5 * time.Second
	MaxFollowAgain = time.Minute
)
