package tasks

import (
	"cmp"
	"context"
	"crypto/rand"
	_ "embed"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/redis/go-redis/v9"
)

//go:embed lua/accept.lua
var acceptSource string

var acceptScript = redis.NewScript(acceptSource)

// When a worker looks at an order that it has received no task for, because the producer died
// between accept and wake, Redis lost the task, or a worker that was stopped had fetched it. Bulk
// orders may wait in a long queue, where an earlier look would only do their work twice; an order
// whose wake-up failed is looked at soon.
const (
	earlyLook = 3 * time.Second
	bulkLook  = 30 * time.Second
)

// firstLook is when an order that a worker was woken for becomes due.
func firstLook(l Lane) time.Duration {
	if l == Bulk {
		return bulkLook
	}
	return earlyLook
}

// AcceptStatus says how an order was accepted.
type AcceptStatus string

// The two statuses. Both mean that the order is in its journal and gets its one result.
const (
	Enqueued  AcceptStatus = "enqueued"  // the order is new
	Duplicate AcceptStatus = "duplicate" // it existed with the same content; nothing changed
)

// AcceptResult is the result of accepting one order: its status, or Err.
type AcceptResult struct {
	ID     string // merchant:out_trade_no
	Status AcceptStatus
	State  string // of an accepted order: NEW, SENT, CLOSING or DONE
	Err    error  // qfpay.FieldErrors, *ConflictError, *HighWaterError, *JournalError, or from Redis
}

// ConflictError means that the order exists with other content. The existing order is not
// affected; the new one was not accepted.
type ConflictError struct {
	ID    string // merchant:out_trade_no
	State string // of the existing order: NEW, SENT, CLOSING or DONE
}

// Error implements error.
func (e *ConflictError) Error() string {
	return fmt.Sprintf("%s already exists with other content (state %s), and an order cannot be changed; "+
		"use a new out_trade_no", e.ID, e.State)
}

// JournalError means that Redis cannot read the journal of one order, because the key holds
// something else.
type JournalError struct {
	ID      string // merchant:out_trade_no
	Problem string // the error message of Redis
}

// Error implements error.
func (e *JournalError) Error() string {
	return fmt.Sprintf("order %s: not accepted: its journal cannot be read: %s", e.ID, e.Problem)
}

// HighWaterError means that the result stream is full: new orders are not accepted until its
// readers catch up, because their results would be lost in the end. Orders that were
// accepted before are processed, and their results are published.
type HighWaterError struct {
	Length string // of the stream, in entries
}

// Error implements error.
func (e *HighWaterError) Error() string {
	return fmt.Sprintf("%s results are in the stream, and no new orders are accepted until they are read: "+
		"find the consumer group that is behind (qfpay_results_unread, XINFO GROUPS) and make it read and acknowledge, "+
		"or remove it if it is no longer used (XGROUP DESTROY)", e.Length)
}

// Accept writes an order into its journal and wakes no worker: it is for a worker that has
// the task already. Without a task the order is due in 3 s. Otherwise it is Enqueue. The order must be valid, with its defaults set.
func (p *Producer) Accept(ctx context.Context, o Order) (AcceptStatus, error) {
	var result AcceptResult
	pending, err := pendingOrderOf(o, earlyLook, &result)
	if err != nil {
		return "", err
	}
	if err := p.accept(ctx, []pendingOrder{pending}, nil); err != nil {
		return "", err
	}
	p.countScheduled(ctx, []pendingOrder{pending})
	return result.Status, result.Err
}

// AcceptInvalid writes the payload of a plain asynq producer into a journal although it is
// not a valid order, so that it gets a result with the reason. id is its [ID], traceparent
// that of the task, if it has one. The order counts in its batch, if the payload names one.
func (p *Producer) AcceptInvalid(ctx context.Context, id string, payload []byte, traceparent string) error {
	var result AcceptResult
	pending := pendingOrder{id: id, lane: Bulk, fingerprint: fingerprintOf(payload), payload: payload,
		due: earlyLook, result: &result}
	pending.trace(traceparent)
	if o, _ := ParseOrder(payload); ValidBatch(o.Batch) {
		pending.add("batch", o.Batch)
	}
	if err := p.accept(ctx, []pendingOrder{pending}, nil); err != nil {
		return err
	}
	return result.Err
}

// pendingOrder is an order that is about to be accepted.
type pendingOrder struct {
	id          string
	lane        Lane
	fingerprint string
	payload     []byte // the order as JSON
	due         time.Duration
	scheduled   time.Time // not_before, where it is ahead: the order is due then, and nobody is woken; else zero
	further     []string  // further fields of its journal: names and values, in turn
	result      *AcceptResult
}

// pendingOrderOf validates an order whose defaults are set, and prepares it for accept. due
// is after what time the order becomes due if no worker has received a task for it.
func pendingOrderOf(o Order, due time.Duration, result *AcceptResult) (pendingOrder, error) {
	if err := o.Validate(); err != nil {
		return pendingOrder{}, err
	}
	payload, err := json.Marshal(o)
	if err != nil {
		return pendingOrder{}, fmt.Errorf("order %s: %w", o.ID(), err)
	}
	pending := pendingOrder{id: o.ID(), lane: o.Lane, fingerprint: o.Fingerprint(), payload: payload,
		due: due, result: result}
	pending.trace(o.Traceparent)
	if o.Batch != "" {
		pending.add("batch", o.Batch)
	}
	if !o.NotBefore.IsZero() {
		pending.add(notBefore, strconv.FormatInt(o.NotBefore.UnixMilli(), 10))
	}
	if o.NotBefore.After(time.Now()) {
		pending.scheduled, pending.due = o.NotBefore, 0 // should it be over by Redis's clock
	}
	return pending, nil
}

// pendingOrders prepares the valid orders for accept, and writes the errors of the others
// into their results.
func (p *Producer) pendingOrders(orders []Order, results []AcceptResult) []pendingOrder {
	now := time.Now()
	valid := make([]pendingOrder, 0, len(orders))
	for i, o := range orders {
		o = o.WithDefaults(now)
		results[i].ID = o.ID()
		pending, err := pendingOrderOf(o, firstLook(o.Lane), &results[i])
		if err == nil {
			err = cmp.Or(p.goodsName.Check(o), o.checkAhead(now))
		}
		if err != nil {
			results[i].Err = err
			continue
		}
		valid = append(valid, pending)
	}
	return valid
}

// trace keeps a valid traceparent and ignores any other: a tracing error must not stop a
// payment.
func (o *pendingOrder) trace(traceparent string) {
	if validTraceparent(traceparent) {
		o.add(traceparentName, traceparent)
	}
}

// add adds a further field to the order's journal.
func (o *pendingOrder) add(name, value string) { o.further = append(o.further, name, value) }

// accept runs the script once for all orders and writes each result. wake, unless it is nil,
// is sent in the same pipeline, after the script. accept returns the first error that is not
// an error of one order alone.
func (p *Producer) accept(ctx context.Context, all []pendingOrder, wake *piggybackWake) error {
	if len(all) == 0 {
		return nil
	}
	answers, unconfirmed, err := p.runAccept(ctx, all, wake)
	if err != nil {
		for _, o := range all {
			o.result.Err = fmt.Errorf("order %s: not accepted: %w", o.id, err)
		}
		return all[0].result.Err
	}
	var first error
	for i, o := range all {
		failed := o.setResult(answers[i], unconfirmed)
		first = cmp.Or(first, failed)
	}
	return first
}

// acceptAnswer is the answer of accept.lua about one order that is not new.
type acceptAnswer struct{ word, more string }

// readAccept reads the answers about n orders, by order from 0. A new order has none.
func readAccept(words []string, n int) (map[int]acceptAnswer, error) {
	if len(words)%3 != 1 || words[0] != strconv.Itoa(n) {
		return nil, fmt.Errorf("accept.lua answered %q about %d orders", words, n)
	}
	answers := map[int]acceptAnswer{}
	for i := 1; i < len(words); i += 3 {
		which, err := strconv.Atoi(words[i])
		if err != nil || which < 1 || which > n {
			return nil, fmt.Errorf("accept.lua answered about order %q of %d", words[i], n)
		}
		answers[which-1] = acceptAnswer{words[i+1], words[i+2]}
	}
	return answers, nil
}

// scriptRun runs a script, by its digest or by its text.
type scriptRun func(s *redis.Script, ctx context.Context, c redis.Scripter, keys []string, args ...any) *redis.Cmd

// runAccept runs the script and returns its answers. It sends the text of the scripts to a
// server that does not know them. unconfirmed says why a failover may lose the orders.
func (p *Producer) runAccept(ctx context.Context, all []pendingOrder, wake *piggybackWake) (answers map[int]acceptAnswer, unconfirmed, err error) {
	nonce := rand.Text()
	keys, args := p.acceptInput(all, nonce)
	var words []string
	for _, run := range []scriptRun{(*redis.Script).EvalSha, (*redis.Script).Eval} {
		var answer *redis.Cmd
		unconfirmed = p.durability.Write(ctx, p.rdb, p.keys, func(pipe redis.Pipeliner) {
			answer = run(acceptScript, ctx, pipe, keys, args...)
			wake.addTo(ctx, pipe, run, nonce)
		})
		words, err = answer.StringSlice()
		if !redis.HasErrorPrefix(err, "NOSCRIPT") && !wake.unknown() {
			break
		}
	}
	if err == nil {
		answers, err = readAccept(words, len(all))
	}
	return answers, unconfirmed, err
}

// acceptInput returns the keys and arguments of accept.lua.
func (p *Producer) acceptInput(all []pendingOrder, nonce string) (keys []string, args []any) {
	keys = make([]string, 0, 3+len(all))
	args = make([]any, 0, 4+5*len(all))
	keys = append(keys, p.keys.Due(), p.keys.Results())
	args = append(args, nonce, p.highWater, earlyLook.Milliseconds(), len(all))
	for _, o := range all {
		keys = append(keys, p.keys.Order(o.id))
		args = append(args, o.id, o.fingerprint, o.payload, string(o.lane), o.due.Milliseconds())
	}
	for i, o := range all {
		for field := range slices.Chunk(o.further, 2) {
			args = append(args, i+1, field[0], field[1])
			if key := p.keys.Batch(field[1]); field[0] == "batch" && !slices.Contains(keys[2+len(all):], key) {
				keys = append(keys, key)
			}
		}
	}
	return keys, args
}

// setResult writes the script's answer about one order into its result. It returns the error,
// unless it concerns this order alone: then a repeated call would not help.
func (o pendingOrder) setResult(answer acceptAnswer, unconfirmed error) error {
	switch {
	case answer.word == "failed":
		o.result.Err = &JournalError{ID: o.id, Problem: answer.more}
	case answer.word == "full":
		o.result.Err = fmt.Errorf("order %s: not accepted: %w", o.id, &HighWaterError{Length: answer.more})
	case answer.word == "conflict":
		o.result.Err = &ConflictError{ID: o.id, State: answer.more}
		return nil
	case unconfirmed != nil:
		o.result.Err = fmt.Errorf("order %s: written, but %w; "+
			"enqueue it again: it is safe once it counts as a duplicate", o.id, unconfirmed)
	case answer.word == "":
		o.result.Status, o.result.State = Enqueued, "NEW"
	case answer.word == "duplicate":
		o.result.Status, o.result.State = Duplicate, answer.more
	default:
		o.result.Err = fmt.Errorf("order %s: accept.lua answered %q", o.id, answer.word)
	}
	return o.result.Err
}
