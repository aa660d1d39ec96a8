package tasks

import (
	"context"
	_ "embed"

	"github.com/hibiken/asynq"
	"github.com/redis/go-redis/v9"
)

//go:embed lua/wake.lua
var wakeSource string

var wakeScript = redis.NewScript(wakeSource)

// enqueueSHA is the digest of the script with which asynq v0.26.0 enqueues one task.
// lua/wake.lua does the same for many. Should another version of asynq do it otherwise,
// its script has another digest: then tasks are enqueued one by one, and a test fails.
const enqueueSHA = "98d28b42650870a743450ffda9791e9e19c6991b"

// bulkWaker wakes workers for many orders at once. asynq has no enqueue in bulk, so its
// client is given a Redis that writes down what it would have run. It is for one
// goroutine at a time.
type bulkWaker struct {
	*Producer
	taken  *takenScripts
	client *asynq.Client // writes into taken
}

func newBulkWaker(p *Producer) *bulkWaker {
	taken := &takenScripts{UniversalClient: p.rdb}
	return &bulkWaker{Producer: p, taken: taken, client: asynq.NewClientFromRedisClient(taken)}
}

// all wakes workers for the orders among these that are new. Duplicates were woken when
// they were new. Nothing is an error here: an order that is in its journal is in due as
// well, and the workers find it there.
func (w *bulkWaker) all(ctx context.Context, all []acceptance) {
	queues := map[string]*tasksOfQueue{} // by pending list
	for _, a := range all {
		if a.result.Acceptance != Enqueued {
			continue
		}
		w.taken.last = nil
		if w.wakeOne(ctx, w.client, a) != nil {
			continue
		}
		if w.taken.last == nil {
			w.wakeOne(ctx, w.asynq, a) // another asynq than is known here
			continue
		}
		call := w.taken.last
		if queues[call.pending] == nil {
			queues[call.pending] = &tasksOfQueue{keys: []string{call.pending}}
		}
		queues[call.pending].add(call)
	}
	for _, q := range queues {
		wakeScript.Run(ctx, w.rdb, q.keys, q.args...)
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

// enqueueCall is one call of asynq's script.
type enqueueCall struct {
	task, pending string
	args          []any // message, ID, time
}

// takenScripts is a Redis client that runs no enqueue script, but notes it down.
type takenScripts struct {
	redis.UniversalClient
	last *enqueueCall // nil: it was none
}

// EvalSha answers what asynq's script would: 1, enqueued.
func (t *takenScripts) EvalSha(ctx context.Context, sha string, keys []string, args ...any) *redis.Cmd {
	if sha == enqueueSHA && len(keys) == 2 && len(args) == 3 {
		t.last = &enqueueCall{task: keys[0], pending: keys[1], args: args}
	}
	answer := redis.NewCmd(ctx)
	answer.SetVal(int64(1))
	return answer
}
