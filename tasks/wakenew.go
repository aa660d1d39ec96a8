package tasks

import (
	"context"
	_ "embed"

	"github.com/redis/go-redis/v9"
)

//go:embed lua/wakenew.lua
var wakeNewSource string

var wakeNewScript = redis.NewScript(wakeNewSource)

// acceptAndWake accepts one order and wakes a worker for it, if it is new. Where one server
// has all keys that is one round trip: what waking needs is sent along. Of its error
// nothing comes: an order that is in its journal is in due as well.
func (p *Producer) acceptAndWake(ctx context.Context, a acceptance) {
	var along *wakeNew
	if _, one := p.rdb.(*redis.Client); one {
		if call, err := p.noted(ctx, a); err == nil && call != nil {
			along = &wakeNew{enqueueCall: call, journal: p.keys.Order(a.id)}
		}
	}
	p.accept(ctx, []acceptance{a}, along) // its error is in the result
	if a.result.Acceptance == Enqueued && !along.done() {
		p.wakeOne(ctx, p.asynq, a)
	}
}

// wakeNew is one call of wakenew.lua, on the way behind the acceptance of its order.
type wakeNew struct {
	*enqueueCall
	journal string
	answer  *redis.Cmd
}

// run adds the call to a pipeline.
func (w *wakeNew) run(ctx context.Context, pipe redis.Pipeliner, by scriptRun, nonce string) {
	if w != nil {
		w.answer = by(wakeNewScript, ctx, pipe, []string{w.pending, w.task, w.journal}, append(w.args[:len(w.args):len(w.args)], nonce)...)
	}
}

// unknown tells whether the server does not know the script.
func (w *wakeNew) unknown() bool { return w != nil && redis.HasErrorPrefix(w.answer.Err(), "NOSCRIPT") }

// done tells whether it was carried out. It is not on a server that is one of several after
// all, and refuses to look at keys of two slots.
func (w *wakeNew) done() bool { return w != nil && w.answer != nil && w.answer.Err() == nil }
