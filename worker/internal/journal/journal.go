// Package journal is the truth about every order: which state it is in, who has its lease, what was
// sent, and whether it has its result. Each transition is one Lua script, so that a crash falls
// before or after it; the header of the script in lua/ says what it answers.
//
// The package never calls the gateway and decides nothing about an order: the policy does. It
// does not know the limiter; an order that is released joins a wait queue by its name only.
//
// Start reading at [Journal.Claim], [Journal.Intent] and [Journal.Settle], in that order.
package journal

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/qfpay-worker/qfpay-worker/tasks"
	"github.com/qfpay-worker/qfpay-worker/worker/event"
	"github.com/qfpay-worker/qfpay-worker/worker/internal/policy"
	"github.com/qfpay-worker/qfpay-worker/worker/internal/redisscript"
	"github.com/qfpay-worker/qfpay-worker/worker/internal/timing"
)

// ErrLost says that an attempt may not change its order any more: the lease has run out, or
// another attempt has moved the order on. Nothing was changed, and nothing is wrong.
var ErrLost = errors.New("another attempt has the order")

// ErrNumberTaken says that a producer uses the number of a reissue for another order. Our order
// has moved on to the next number; no create may leave yet.
var ErrNumberTaken = errors.New("the number belongs to another order")

// ErrPaused says that a person has paused the order's merchant, or its pay type there. Nothing was
// changed, and no create may leave.
var ErrPaused = errors.New("its merchant or its pay type is paused")

// ErrCancelled says that somebody has asked to cancel the order, so that no create may leave. The claim
// knows that now.
var ErrCancelled = errors.New("somebody has asked to cancel the order")

// Journal is the truth about every order. Each method is one script; the header of the script
// says what it answers. A method may be repeated after a lost reply: it has its effect once.
type Journal struct {
	Redis   redis.UniversalClient
	Scripts redis.Scripter // runs them on Redis, in batches
	Keys    tasks.Keys
	Times   timing.Times

	Durability tasks.Durability
	Payments   bool // published codes are followed until they are paid or dead
}

// ClaimStatus is the answer to a claim.
type ClaimStatus uint8

// The answers.
const (
	ClaimNone     ClaimStatus = iota // there is no such order
	ClaimSettled                     // it has its result
	ClaimReserved                    // its number belongs to a reissue of another order
	ClaimBusy                        // another attempt has the lease
	ClaimEarly                       // its not_before is ahead
	ClaimOurs                        // this attempt has the lease
)

// Claim is one attempt's lease of an order, and what the journal said of the order then.
type Claim struct {
	ID     string
	Token  string
	Status ClaimStatus
	Early  time.Duration // with ClaimEarly: until its not_before

	State       policy.State
	Reissues    int // 0 for the order's own out_trade_no, k for its k-th reissue
	CreatesSent int // creates that were sent under this number
	NotFound    int // queries, late enough, that did not find it
	Attempts    int // of this order, this one included
	AcceptedAt  time.Time
	FirstSentAt time.Time         // zero when no create was sent under this number
	SentAt      time.Time         // of the latest create under this number
	ClaimedAt   time.Time         // on Redis's clock
	DeferredFor event.DeferReason // why it was deferred last
	Order       []byte            // JSON, as accepted
	PayType     string            // of the order, if the caller has read it
	Traceparent string            // of the producer, or ""
	Fingerprint string            // of the order's content, as accepted
	Reopens     int               // how often a person re-opened it
	Verdict     policy.Verdict    // what QFPay has answered to the creates under this number
	Answer      *Answer           // the last answer to a create of this order; nil: none came
	NoAnswer    *Answer           // why the last create that got no answer got none; nil: there is none
	Cancelled   bool              // somebody has asked to cancel it
}

// StateNames are the states of orders without a result, by the names that they have in Redis.
var StateNames = map[string]policy.State{"NEW": policy.StateNew, "SENT": policy.StateSent, "CLOSING": policy.StateClosing}

// Claim leases an order to an attempt, unless another attempt has the lease.
func (j *Journal) Claim(ctx context.Context, id, token string) (Claim, error) {
	c := Claim{ID: id, Token: token}
	words, err := j.run(ctx, claimScript, "claim", []string{j.Keys.Order(id), j.Keys.Due()}, id, token, j.Times.Lease.Milliseconds())
	if err != nil {
		return c, err
	}
	switch words[0] {
	case "none":
		c.Status = ClaimNone
	case "settled":
		c.Status = ClaimSettled
	case "reserved":
		c.Status = ClaimReserved
	case "busy":
		c.Status = ClaimBusy
	case "early":
		c.Status = ClaimEarly
		ms, err := strconv.ParseInt(words[1], 10, 64)
		c.Early = time.Duration(ms) * time.Millisecond
		return c, err
	case "damaged":
		return c, &DamagedError{ID: id, Problem: damage(words[1])}
	case "ours":
		if err := c.read(words); err != nil {
			return c, c.Damaged(err.Error())
		}
		return c, nil
	default:
		return c, fmt.Errorf("journal: claim: unexpected answer %q", words[0])
	}
	return c, nil
}

// Renew leases a claimed order to its attempt for as long again. When the lease had run out and
// other attempts had the order meanwhile, this attempt's knowledge is out of date, even if the
// order is free now: the claim then counts as another attempt, and Renew returns ErrLost.
func (j *Journal) Renew(ctx context.Context, c *Claim) error {
	again, err := j.Claim(ctx, c.ID, c.Token)
	if err == nil && (again.Status != ClaimOurs || again.Attempts != c.Attempts) {
		return ErrLost
	}
	return err
}

// read fills the claim from the answer "ours" of claim.lua.
func (c *Claim) read(words []string) error {
	if len(words) != 1+len(claimFields) || words[0] != "ours" {
		return fmt.Errorf("journal: claim: unexpected answer %q", words)
	}
	c.Status = ClaimOurs
	fields := words[1:]
	var bad error
	number := func(i int) int64 {
		if fields[i] == "" {
			return 0
		}
		n, err := strconv.ParseInt(fields[i], 10, 64)
		if err != nil {
			bad = errors.Join(bad, fmt.Errorf("%s is %.100q, not a whole number", claimFields[i], fields[i]))
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
	if c.State, known = StateNames[fields[1]]; !known {
		bad = errors.Join(bad, fmt.Errorf("state is %.100q", fields[1]))
	}
	c.ClaimedAt, c.Attempts = moment(0), int(number(2))
	c.Reissues, c.CreatesSent, c.NotFound = int(number(3)), int(number(4)), int(number(5))
	c.AcceptedAt, c.FirstSentAt, c.SentAt = moment(6), moment(7), moment(8)
	c.DeferredFor, c.Order, c.Traceparent = event.DeferReason(fields[9]), []byte(fields[10]), fields[11]
	c.Fingerprint = fields[12]
	c.Reopens, c.Verdict = int(number(13)), verdictNamed(fields[14])
	c.Answer, c.NoAnswer = ParseAnswer(fields[15]), ParseAnswer(fields[16])
	c.Cancelled = fields[17] != ""
	return bad
}

// claimFields are the fields that claim.lua answers of a claimed order.
var claimFields = []string{"now", "state", "attempts", "reissues", "creates_sent", "not_found", "accepted_at", "first_sent_at", "sent_at",
	"deferred_for", "order", "traceparent", "fingerprint", "reopens", "verdict", "answer", "no_answer", "cancel_asked_at"}

// Intent writes down that a create is about to leave.
func (j *Journal) Intent(ctx context.Context, c *Claim) error {
	answer, err := j.confirmed(ctx, intentScript, "intent", []string{j.Keys.Order(c.ID), j.Keys.Order(IssuedAs(c.ID, c.Reissues)), j.Keys.Paused()},
		c.Token, c.Reissues, c.CreatesSent, j.callTime().Milliseconds(), c.ID, (2 * timing.Retention).Milliseconds(), c.payType())
	if errors.Is(err, tasks.ErrUnconfirmed) && answer[0] == "sent" {
		j.Retract(ctx, c) // no create leaves; if this fails, a query finds that out
	}
	if err != nil {
		return err
	}
	switch answer[0] {
	case "sent":
	case "taken":
		c.Reissues++
		return ErrNumberTaken
	case "paused":
		return ErrPaused
	case "cancelled":
		c.Cancelled = true
		return ErrCancelled
	default:
		return ErrLost
	}
	c.CreatesSent++
	c.State, c.NotFound, c.Verdict = policy.StateSent, 0, policy.NoVerdict
	return nil
}

// payType is the pay type of the order as it was accepted.
func (c *Claim) payType() string {
	if c.PayType != "" {
		return c.PayType
	}
	var o struct {
		PayType string `json:"pay_type"`
	}
	json.Unmarshal(c.Order, &o) // an order that is not valid is never sent
	return o.PayType
}

// Retract writes down that no create under this number was carried out: the only one was not, or
// QFPay has refused each for the merchant's configuration and does not have the order.
func (j *Journal) Retract(ctx context.Context, c *Claim) error {
	answer, err := j.run(ctx, retractScript, "retract", []string{j.Keys.Order(c.ID)}, c.Token, c.Reissues)
	if err != nil {
		return err
	}
	if answer[0] != "retracted" {
		return ErrLost
	}
	c.State, c.CreatesSent, c.Verdict = policy.StateNew, 0, policy.NoVerdict
	c.FirstSentAt, c.SentAt = time.Time{}, time.Time{}
	return nil
}

// CloseIntent writes down that a close is about to leave.
func (j *Journal) CloseIntent(ctx context.Context, c *Claim) error {
	answer, err := j.confirmed(ctx, closeIntentScript, "close_intent", []string{j.Keys.Order(c.ID)},
		c.Token, c.Reissues, j.callTime().Milliseconds())
	if err != nil {
		return err
	}
	if answer[0] != "closing" {
		return ErrLost
	}
	c.State = policy.StateClosing
	return nil
}

// Reissue moves the order on to the next number.
func (j *Journal) Reissue(ctx context.Context, c *Claim) error {
	answer, err := j.run(ctx, reissueScript, "reissue", []string{j.Keys.Order(c.ID)}, c.Token, c.Reissues)
	if err != nil {
		return err
	}
	if answer[0] != "reissued" {
		return ErrLost
	}
	c.Reissues++
	c.State, c.CreatesSent, c.NotFound, c.Verdict = policy.StateNew, 0, 0, policy.NoVerdict
	c.FirstSentAt, c.SentAt = time.Time{}, time.Time{}
	return nil
}

// Settle gives the order its result and publishes it. It reports whether this attempt's result
// is the one in the stream, and returns ErrLost when the attempt may not settle. With
// [tasks.ErrUnconfirmed] the result may be in the stream, and the call should be repeated.
func (j *Journal) Settle(ctx context.Context, c *Claim, r tasks.Result) (bool, error) {
	keys := []string{j.Keys.Order(c.ID), j.Keys.Due(), j.Keys.Results(), j.Keys.Closing()}
	if j.Payments {
		keys = append(keys, j.Keys.Open(r.Merchant))
	}
	args := append([]any{c.ID, c.Token, c.Reissues, r.Outcome, timing.Retention.Milliseconds(), j.Keys.Batch("")}, r.Values()...)
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
		return false, ErrLost
	}
}

// WaitQueue is a wait queue of the limiter, which an order joins when it is released.
type WaitQueue struct {
	Key     string // a sorted set: order → ms since which it waits
	AppCode string // the member of [tasks.Keys.Waiting]
	WakeNow bool   // a dispatcher looks at the queue at once
}

// Release gives up the lease. The order is due after delay, and joins the wait queue q, if q is
// not nil. notFound records that a query did not find the order when every create must have
// landed. An order that was paused is due at once if the pause is over.
func (j *Journal) Release(ctx context.Context, c *Claim, delay time.Duration, notFound bool, why event.DeferReason, q *WaitQueue) error {
	found := 0
	if notFound {
		found = 1
	}
	keys := []string{j.Keys.Order(c.ID), j.Keys.Due()}
	args := []any{c.ID, c.Token, delay.Milliseconds(), found, string(why)}
	switch {
	case why == event.DeferPaused:
		keys, args = append(keys, j.Keys.Paused()), append(args, c.payType())
	case q != nil:
		keys = append(keys, q.Key, j.Keys.Waiting())
		args = append(args, q.AppCode, lookAt(q))
	}
	answer, err := j.run(ctx, releaseScript, "release", keys, args...)
	if err != nil {
		return err
	}
	if answer[0] != "released" {
		return ErrLost
	}
	return nil
}

// lookAt says, as ZADD does, whether a dispatcher looks at the wait queue at once.
func lookAt(q *WaitQueue) string {
	if q.WakeNow {
		return "LT"
	}
	return "NX"
}

// run runs a script whose answer is an array of words, at least one.
func (j *Journal) run(ctx context.Context, s *redis.Script, op string, keys []string, args ...any) ([]string, error) {
	answer, err := s.Run(ctx, j.Scripts, keys, args...).Slice()
	if err != nil {
		return nil, fmt.Errorf("journal: %s: %w", op, err)
	}
	if len(answer) == 0 {
		return nil, fmt.Errorf("journal: %s: empty answer", op)
	}
	return redisscript.Texts(answer), nil
}

// IssuedAs returns the number under which an order goes to QFPay: its own, and after reissues
// one with a suffix.
func IssuedAs(outTradeNo string, reissues int) string {
	if reissues == 0 {
		return outTradeNo
	}
	return fmt.Sprintf("%s_%d", outTradeNo, reissues+1)
}
