package tasks

import (
	"cmp"
	"context"
	"crypto/rand"
	_ "embed"
	"encoding/json"
	"fmt"
	"time"

	"github.com/redis/go-redis/v9"
)

//go:embed lua/accept.lua
var acceptSource string

var acceptScript = redis.NewScript(acceptSource)

// acceptance is the acceptance of one order on its way.
type acceptance struct {
	order   Order
	payload []byte   // the order as JSON
	keys    []string // of the script
	args    []any    // of the script; the first is the id
	result  *Accepted
}

func (a acceptance) id() string { return a.args[0].(string) }

// acceptanceOf validates an order whose defaults are filled in, and prepares its
// acceptance. look is when a worker looks after the order for the first time if nobody has
// woken one.
func (p *Producer) acceptanceOf(o Order, look time.Duration, result *Accepted) (acceptance, error) {
	if err := o.Validate(); err != nil {
		return acceptance{}, err
	}
	payload, err := json.Marshal(o)
	if err != nil {
		return acceptance{}, fmt.Errorf("order %s: %w", o.ID(), err)
	}
	return acceptance{
		order:   o,
		payload: payload,
		keys:    []string{p.keys.Order(o.ID()), p.keys.Due()},
		args:    []any{o.ID(), o.Fingerprint(), payload, string(o.Lane), look.Milliseconds(), rand.Text()},
		result:  result,
	}, nil
}

// accept runs the script for all of them in one pipeline, and writes down what came
// of each. A server that does not know the script is given it with a second try.
// It returns the first error of Redis.
func (p *Producer) accept(ctx context.Context, all []acceptance) error {
	forgotten, err := p.acceptWith(ctx, all, func(pipe redis.Pipeliner, a acceptance) *redis.Cmd {
		return pipe.EvalSha(ctx, acceptScript.Hash(), a.keys, a.args...)
	})
	if err != nil || len(forgotten) == 0 {
		return err
	}
	unknown, err := p.acceptWith(ctx, forgotten, func(pipe redis.Pipeliner, a acceptance) *redis.Cmd {
		return pipe.Eval(ctx, acceptSource, a.keys, a.args...)
	})
	if err == nil && len(unknown) > 0 {
		err = unknown[0].result.Err
	}
	return err
}

// acceptWith runs one pipeline. It returns those for which the server did not know
// the script, and the first other error.
func (p *Producer) acceptWith(ctx context.Context, all []acceptance,
	run func(redis.Pipeliner, acceptance) *redis.Cmd) (forgotten []acceptance, first error) {
	cmds := make([]*redis.Cmd, len(all))
	unconfirmed := p.durability.Write(ctx, p.rdb, p.keys, func(pipe redis.Pipeliner) {
		for i, a := range all {
			cmds[i] = run(pipe, a)
		}
	})
	for i, a := range all {
		answer, err := cmds[i].StringSlice()
		switch {
		case err == nil:
			a.result.Acceptance, a.result.State, a.result.Err = acceptanceFrom(a.id(), answer)
			if unconfirmed != nil && a.result.Err == nil {
				*a.result = Accepted{ID: a.result.ID, Err: fmt.Errorf("order %s: written, but %w; "+
					"enqueue it again: it is safe once it counts as duplicate", a.id(), unconfirmed)}
				first = cmp.Or(first, a.result.Err)
			}
		case redis.HasErrorPrefix(err, "NOSCRIPT"):
			a.result.Err = err
			forgotten = append(forgotten, a)
		default:
			a.result.Err = fmt.Errorf("order %s: not accepted: %w", a.id(), err)
			if first == nil {
				first = a.result.Err
			}
		}
	}
	return forgotten, first
}

// acceptanceFrom reads an answer of the script, and the state of the order in it.
func acceptanceFrom(id string, answer []string) (Acceptance, string, error) {
	switch {
	case len(answer) == 1 && answer[0] == "new":
		return Enqueued, "NEW", nil
	case len(answer) == 2 && answer[0] == "duplicate":
		return Duplicate, answer[1], nil
	case len(answer) == 2 && answer[0] == "conflict":
		return "", "", &ConflictError{ID: id, State: answer[1]}
	}
	return "", "", fmt.Errorf("order %s: accept.lua answered %q", id, answer)
}
