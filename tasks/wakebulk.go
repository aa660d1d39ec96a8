package tasks

import (
	"context"
	_ "embed"

	"github.com/redis/go-redis/v9"
)

//go:embed lua/wake.lua
var wakeSource string

// wakeScript does for many tasks what asynq's does for one: asynq has no enqueue in bulk.
var wakeScript = redis.NewScript(wakeSource)

// wakeAll wakes workers for the orders among these that are new. Duplicates were woken when
// they were new. Nothing is an error here: an order that is in its journal is in due as
// well, and the workers find it there.
func (p *Producer) wakeAll(ctx context.Context, all []acceptance) {
	queues := map[string]*tasksOfQueue{} // by pending list
	for _, a := range all {
		if a.result.Acceptance != Enqueued {
			continue
		}
		call, err := p.noted(ctx, a)
		if err != nil {
			continue
		}
		if call == nil {
			p.wakeOne(ctx, p.asynq, a) // another asynq than is known here
			continue
		}
		if queues[call.pending] == nil {
			queues[call.pending] = &tasksOfQueue{keys: []string{call.pending}}
		}
		queues[call.pending].add(call)
	}
	for _, q := range queues {
		wakeScript.Run(ctx, p.rdb, q.keys, q.args...)
	}
}

// tasksOfQueue is one call of wake.lua.
type tasksOfQueue struct {
	keys []string
	args []any
}

func (q *tasksOfQueue) add(c *enqueueCall) {
	q.keys = append(q.keys, c.task)
	q.args = append(q.args, c.args...)
}
