package worker

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/qfpay-worker/qfpay-worker/tasks"
	"github.com/qfpay-worker/qfpay-worker/worker/event"
	"github.com/qfpay-worker/qfpay-worker/worker/internal/policy"
	"github.com/qfpay-worker/qfpay-worker/worker/internal/ratelimit"
	"github.com/qfpay-worker/qfpay-worker/worker/internal/redisscript"
	"github.com/qfpay-worker/qfpay-worker/worker/internal/timing"
)

// errLost says that an attempt may not change its order any more: the lease has run out, or
// another attempt has moved the order on. Nothing was changed, and nothing is wrong.
var errLost = errors.New("another attempt has the order")

// errNumberTaken says that a producer uses the number of a reissue for another order. Our order
// has moved on to the next number; no create may leave yet.
var errNumberTaken = errors.New("the number belongs to another order")

// journal is the truth about every order. Each method is one script; the header of the script
// says what it answers. A method may be repeated after a lost reply: it has its effect once.
type journal struct {
	rdb     redis.UniversalClient
	scripts redis.Scripter // runs them on rdb, in batches
	keys    tasks.Keys
	times   timing.Times

	durability tasks.Durability
}

// claimStatus is the answer to a claim.
type claimStatus uint8

const (
	claimNone     claimStatus = iota // there is no such order
	claimSettled                     // it has its result
	claimReserved                    // its number belongs to a reissue of another order
	claimBusy                        // another attempt has the lease
	claimOurs                        // this attempt has the lease
)

// claim is one attempt's lease of an order, and what the journal said of the order then.
type claim struct {
	id     string
	token  string
	status claimStatus

	state       policy.State
	reissues    int // 0 for the order's own out_trade_no, k for its k-th reissue
	createsSent int // creates that were sent under this number
	notFound    int // queries, late enough, that did not find it
	attempts    int // of this order, this one included
	acceptedAt  time.Time
	firstSentAt time.Time         // zero when no create was sent under this number
	sentAt      time.Time         // of the latest create under this number
	claimedAt   time.Time         // on Redis's clock
	deferredFor event.DeferReason // why it was deferred last
	order       []byte            // JSON, as accepted
	traceparent string            // of the producer, or ""
}

var stateNames = map[string]policy.State{"NEW": policy.StateNew, "SENT": policy.StateSent, "CLOSING": policy.StateClosing}

// claim leases an order to an attempt, unless another attempt has the lease.
func (j *journal) claim(ctx context.Context, id, token string) (claim, error) {
	c := claim{id: id, token: token}
	words, err := j.run(ctx, claimScript, "claim", []string{j.keys.Order(id), j.keys.Due()}, id, token, j.times.Lease.Milliseconds())
	if err != nil {
		return c, err
	}
	switch words[0] {
	case "none":
		c.status = claimNone
	case "settled":
		c.status = claimSettled
	case "reserved":
		c.status = claimReserved
	case "busy":
		c.status = claimBusy
	case "ours":
		c.status = claimOurs
		return c, c.read(words[1:])
	default:
		return c, fmt.Errorf("journal: claim: unexpected answer %q", words[0])
	}
	return c, nil
}

// renew leases a claimed order to its attempt for as long again. When the lease had run out and
// other attempts had the order meanwhile, this attempt's knowledge is out of date, even if the
// order is free now: the claim then counts as another attempt, and renew returns errLost.
func (j *journal) renew(ctx context.Context, c *claim) error {
	again, err := j.claim(ctx, c.id, c.token)
	if err == nil && (again.status != claimOurs || again.attempts != c.attempts) {
		return errLost
	}
	return err
}

// read fills the claim from the journal's fields, in the order of claim.lua.
func (c *claim) read(fields []string) error {
	if len(fields) != len(claimFields) {
		return fmt.Errorf("journal: claim: unexpected answer of %d fields", len(fields))
	}
	var bad error
	number := func(i int) int64 {
		if fields[i] == "" {
			return 0
		}
		n, err := strconv.ParseInt(fields[i], 10, 64)
		if err != nil {
			bad = errors.Join(bad, fmt.Errorf("journal: claim: field %s: %w", claimFields[i], err))
		}
		return n
	}
	moment := func(i int) time.Time {
		if ms := number(i); ms > 0 {
			return time.UnixMilli(ms)
		}
		return time.Time{}
	}
	var known bool
	if c.state, known = stateNames[fields[1]]; !known {
		bad = fmt.Errorf("journal: claim: field state: unexpected %q", fields[1])
	}
	c.claimedAt, c.attempts = moment(0), int(number(2))
	c.reissues, c.createsSent, c.notFound = int(number(3)), int(number(4)), int(number(5))
	c.acceptedAt, c.firstSentAt, c.sentAt = moment(6), moment(7), moment(8)
	c.deferredFor, c.order, c.traceparent = event.DeferReason(fields[9]), []byte(fields[10]), fields[11]
	return bad
}

// claimFields are the fields that claim.lua answers of a claimed order.
var claimFields = []string{"now", "state", "attempts", "reissues", "creates_sent", "not_found", "accepted_at", "first_sent_at", "sent_at",
	"deferred_for", "order", "traceparent"}

// intent writes down that a create is about to leave.
func (j *journal) intent(ctx context.Context, c *claim) error {
	answer, err := j.confirmed(ctx, intentScript, "intent", []string{j.keys.Order(c.id), j.keys.Order(issuedAs(c.id, c.reissues))},
		c.token, c.reissues, c.createsSent, j.callTime().Milliseconds(), c.id, (2 * timing.Retention).Milliseconds())
	if errors.Is(err, tasks.ErrUnconfirmed) {
		j.retract(ctx, c) // no create leaves; if this fails, a query finds that out
	}
	if err != nil {
		return err
	}
	switch answer[0] {
	case "sent":
	case "taken":
		c.reissues++
		return errNumberTaken
	default:
		return errLost
	}
	c.createsSent++
	c.state, c.notFound = policy.StateSent, 0
	return nil
}

// retract writes down that the only create under this number was not carried out.
func (j *journal) retract(ctx context.Context, c *claim) error {
	answer, err := j.run(ctx, retractScript, "retract", []string{j.keys.Order(c.id)}, c.token, c.reissues)
	if err != nil {
		return err
	}
	if answer[0] != "retracted" {
		return errLost
	}
	c.state, c.createsSent = policy.StateNew, 0
	c.firstSentAt, c.sentAt = time.Time{}, time.Time{}
	return nil
}

// closeIntent writes down that a close is about to leave.
func (j *journal) closeIntent(ctx context.Context, c *claim) error {
	answer, err := j.confirmed(ctx, closeIntentScript, "close_intent", []string{j.keys.Order(c.id)},
		c.token, c.reissues, j.callTime().Milliseconds())
	if err != nil {
		return err
	}
	if answer[0] != "closing" {
		return errLost
	}
	c.state = policy.StateClosing
	return nil
}

// reissue moves the order on to the next number.
func (j *journal) reissue(ctx context.Context, c *claim) error {
	answer, err := j.run(ctx, reissueScript, "reissue", []string{j.keys.Order(c.id)}, c.token, c.reissues)
	if err != nil {
		return err
	}
	if answer[0] != "reissued" {
		return errLost
	}
	c.reissues++
	c.state, c.createsSent, c.notFound = policy.StateNew, 0, 0
	c.firstSentAt, c.sentAt = time.Time{}, time.Time{}
	return nil
}

// settle gives the order its result and publishes it. It reports whether this attempt's result
// is the one in the stream, and returns errLost when the attempt may not settle. With
// [tasks.ErrUnconfirmed] the result may be in the stream, and the call should be repeated.
func (j *journal) settle(ctx context.Context, c *claim, r tasks.Result) (bool, error) {
	keys := []string{j.keys.Order(c.id), j.keys.Due(), j.keys.Results()}
	args := append([]any{c.id, c.token, c.reissues, r.Outcome, timing.Retention.Milliseconds()}, r.Values()...)
	answer, err := j.confirmed(ctx, settleScript, "settle", keys, args...)
	if len(answer) == 0 {
		return false, err
	}
	switch answer[0] {
	case "published":
		return true, err
	case "already":
		return false, nil
	default:
		return false, errLost
	}
}

// release gives up the lease. The order is due after delay, and joins the wait queue q, if q is
// not nil. notFound records that a query did not find the order when every create must have
// landed.
func (j *journal) release(ctx context.Context, c *claim, delay time.Duration, notFound bool, why event.DeferReason, q *ratelimit.Queue) error {
	found := 0
	if notFound {
		found = 1
	}
	keys := []string{j.keys.Order(c.id), j.keys.Due()}
	args := []any{c.id, c.token, delay.Milliseconds(), found, string(why)}
	if q != nil {
		keys = append(keys, q.Key, ratelimit.WaitingKey(j.keys))
		args = append(args, q.AppCode, lookAt(q))
	}
	answer, err := j.run(ctx, releaseScript, "release", keys, args...)
	if err != nil {
		return err
	}
	if answer[0] != "released" {
		return errLost
	}
	return nil
}

// lookAt says, as ZADD does, whether a dispatcher looks at the wait queue at once.
func lookAt(q *ratelimit.Queue) string {
	if q.WakeNow {
		return "LT"
	}
	return "NX"
}

// dueOrder is an order that is due.
type dueOrder struct {
	id       string
	lane     tasks.Lane // empty: its journal is gone
	order    []byte
	attempts string
}

// sweepResult is what a sweep has found.
type sweepResult struct {
	due     []dueOrder
	waiting []string      // app_codes whose wait queues are due
	next    time.Duration // until the next order or wait queue is due; negative: there is none
}

// sweep hands out at most limit orders that are due, each to one sweeper.
func (j *journal) sweep(ctx context.Context, limit int, pause, longest time.Duration) (sweepResult, error) {
	answer, err := sweepScript.Run(ctx, j.scripts, []string{j.keys.Due(), ratelimit.WaitingKey(j.keys)},
		j.keys.Order(""), limit, pause.Milliseconds(), longest.Milliseconds(), timing.WaitingAgain.Milliseconds()).Slice()
	if err != nil {
		return sweepResult{}, fmt.Errorf("journal: sweep: %w", err)
	}
	unexpected := fmt.Errorf("journal: sweep: unexpected answer %v", answer)
	if len(answer) != 3 {
		return sweepResult{}, unexpected
	}
	next, isNumber := answer[0].(int64)
	waiting, isArray := answer[1].([]any)
	rows, areRows := answer[2].([]any)
	if !isNumber || !isArray || !areRows {
		return sweepResult{}, unexpected
	}
	due := make([]dueOrder, 0, len(rows))
	for _, row := range rows {
		fields, ok := row.([]any)
		if !ok || len(fields) != 4 {
			return sweepResult{}, unexpected
		}
		w := redisscript.Texts(fields)
		due = append(due, dueOrder{id: w[0], lane: tasks.Lane(w[1]), order: []byte(w[2]), attempts: w[3]})
	}
	return sweepResult{due: due, waiting: redisscript.Texts(waiting), next: time.Duration(next) * time.Millisecond}, nil
}

// run runs a script whose answer is an array of words, at least one.
func (j *journal) run(ctx context.Context, s *redis.Script, op string, keys []string, args ...any) ([]string, error) {
	answer, err := s.Run(ctx, j.scripts, keys, args...).Slice()
	if err != nil {
		return nil, fmt.Errorf("journal: %s: %w", op, err)
	}
	if len(answer) == 0 {
		return nil, fmt.Errorf("journal: %s: empty answer", op)
	}
	return redisscript.Texts(answer), nil
}
