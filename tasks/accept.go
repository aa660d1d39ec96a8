package tasks

import (
	"cmp"
	"context"
	"crypto/rand"
	_ "embed"
	"encoding/json"
	"fmt"
	"strconv"
	"time"

	"github.com/redis/go-redis/v9"
)

//go:embed lua/accept.lua
var acceptSource string

var acceptScript = redis.NewScript(acceptSource)

// acceptance is the acceptance of one order on its way.
type acceptance struct {
	id          string
	lane        Lane
	fingerprint string
	payload     []byte // the order as JSON
	look        time.Duration
	traceparent string // valid, or ""
	result      *Accepted
}

// acceptanceOf validates an order whose defaults are filled in, and prepares its
// acceptance. look is when a worker looks after the order for the first time if nobody has
// woken one.
func acceptanceOf(o Order, look time.Duration, result *Accepted) (acceptance, error) {
	if err := o.Validate(); err != nil {
		return acceptance{}, err
	}
	payload, err := json.Marshal(o)
	if err != nil {
		return acceptance{}, fmt.Errorf("order %s: %w", o.ID(), err)
	}
	a := acceptance{id: o.ID(), lane: o.Lane, fingerprint: o.Fingerprint(), payload: payload, look: look, result: result}
	a.trace(o.Traceparent)
	return a, nil
}

// trace takes a traceparent along, from wherever it came. A malformed one is ignored:
// nothing about tracing keeps an order from being paid.
func (a *acceptance) trace(traceparent string) {
	if validTraceparent(traceparent) {
		a.traceparent = traceparent
	}
}

// accept runs the script for all of them at once, and writes down what came of each. along,
// if there is one, goes behind it. It returns the first error that is none of an order's own.
func (p *Producer) accept(ctx context.Context, all []acceptance, along *wakeNew) error {
	if len(all) == 0 {
		return nil
	}
	answers, unconfirmed, err := p.runAccept(ctx, all, along)
	if err != nil {
		for _, a := range all {
			a.result.Err = fmt.Errorf("order %s: not accepted: %w", a.id, err)
		}
		return all[0].result.Err
	}
	var first error
	for i, a := range all {
		failed := a.answered(answers[i], unconfirmed)
		first = cmp.Or(first, failed)
	}
	return first
}

// acceptAnswer is what accept.lua answered about one order: nothing if it is new.
type acceptAnswer struct{ word, more string }

// readAccept reads the answer about n orders, by order from 0.
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

// scriptRun is how a script is run: by its digest or by its text.
type scriptRun func(s *redis.Script, ctx context.Context, c redis.Scripter, keys []string, args ...any) *redis.Cmd

// runAccept returns what the script answers. A server that does not know a script is
// given it. unconfirmed is why what was written may be lost in a failover.
func (p *Producer) runAccept(ctx context.Context, all []acceptance, along *wakeNew) (answers map[int]acceptAnswer, unconfirmed, err error) {
	keys := make([]string, 0, 2+len(all))
	args := make([]any, 0, 2+5*len(all))
	keys = append(keys, p.keys.Due(), p.keys.Results())
	nonce := rand.Text()
	args = append(args, nonce, p.highWater)
	for _, a := range all {
		keys = append(keys, p.keys.Order(a.id))
		args = append(args, a.id, a.fingerprint, a.payload, string(a.lane), a.look.Milliseconds())
	}
	for i, a := range all {
		if a.traceparent != "" {
			args = append(args, i+1, a.traceparent)
		}
	}
	var words []string
	for _, run := range []scriptRun{(*redis.Script).EvalSha, (*redis.Script).Eval} {
		var answer *redis.Cmd
		unconfirmed = p.durability.Write(ctx, p.rdb, p.keys, func(pipe redis.Pipeliner) {
			answer = run(acceptScript, ctx, pipe, keys, args...)
			along.run(ctx, pipe, run, nonce)
		})
		words, err = answer.StringSlice()
		if !redis.HasErrorPrefix(err, "NOSCRIPT") && !along.unknown() {
			break
		}
	}
	if err == nil {
		answers, err = readAccept(words, len(all))
	}
	return answers, unconfirmed, err
}

// answered writes down what the script has answered about one order. It returns the
// error, unless it is one of the order's own: then repeating the call does not help.
func (a acceptance) answered(answer acceptAnswer, unconfirmed error) error {
	switch {
	case answer.word == "failed":
		a.result.Err = &JournalError{ID: a.id, Problem: answer.more}
	case answer.word == "full":
		a.result.Err = fmt.Errorf("order %s: not accepted: %w", a.id, &HighWaterError{Length: answer.more})
	case answer.word == "conflict":
		a.result.Err = &ConflictError{ID: a.id, State: answer.more}
		return nil
	case unconfirmed != nil:
		a.result.Err = fmt.Errorf("order %s: written, but %w; "+
			"enqueue it again: it is safe once it counts as duplicate", a.id, unconfirmed)
	case answer.word == "":
		a.result.Acceptance, a.result.State = Enqueued, "NEW"
	case answer.word == "duplicate":
		a.result.Acceptance, a.result.State = Duplicate, answer.more
	default:
		a.result.Err = fmt.Errorf("order %s: accept.lua answered %q", a.id, answer.word)
	}
	return a.result.Err
}
