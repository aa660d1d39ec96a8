package tasks

import (
	"context"
	_ "embed"
	"errors"
	"math"
	"time"

	"github.com/hibiken/asynq"
	"github.com/redis/go-redis/v9"
)

// A task of asynq wakes a worker for one order. asynq has no bulk enqueue, and cannot
// enqueue in the pipeline of a caller. Therefore a recorder captures the call of asynq's
// own script, and wake.lua and wakenew.lua do what that script does: for many tasks at once,
// and in the same round trip as accept.lua.

// TaskTimeout is how long one run of a task may take before asynq cancels its context. It is
// longer than any attempt of the worker, which ends by its own deadline.
const TaskTimeout = 4 * time.Minute

// wakeOne enqueues the task of an order as asynq does. It sets no limit to the retries of asynq,
// which archives a task after the last one: only the worker's policy ends an order. A task that
// exists already is as good.
func (p *Producer) wakeOne(ctx context.Context, client *asynq.Client, o pendingOrder) error {
	_, err := client.EnqueueContext(ctx, asynq.NewTask(TypeCreate, o.payload),
		asynq.TaskID(o.id), asynq.Queue(p.keys.Queue(o.lane)), asynq.MaxRetry(math.MaxInt32), asynq.Timeout(TaskTimeout))
	if errors.Is(err, asynq.ErrTaskIDConflict) {
		return nil
	}
	return err
}

// enqueueSHA is the digest of the script with which asynq v0.26.0 enqueues one task.
// lua/wake.lua and lua/wakenew.lua do the same. If another version of asynq has another
// script, the digest differs: then asynq enqueues the tasks, one by one, and a test fails.
const enqueueSHA = "98d28b42650870a743450ffda9791e9e19c6991b"

// enqueueCall is one call of asynq's script.
type enqueueCall struct {
	task, pending string
	args          []any // message, ID, time
}

// recordEnqueue returns the call with which asynq would wake a worker for an order, and does
// not make it. It returns nil if this asynq has another script.
func (p *Producer) recordEnqueue(ctx context.Context, o pendingOrder) (call *enqueueCall, err error) {
	err = p.wakeOne(context.WithValue(ctx, recordKey{}, &call), p.recording, o)
	return call, err
}

// recordKey is the context key of the variable for a recorded call.
type recordKey struct{}

// recorder is a Redis client that runs no scripts, and records asynq's enqueue.
type recorder struct{ redis.UniversalClient }

// EvalSha returns the answer of asynq's script: 1, enqueued.
func (recorder) EvalSha(ctx context.Context, sha string, keys []string, args ...any) *redis.Cmd {
	if call, is := ctx.Value(recordKey{}).(**enqueueCall); is && sha == enqueueSHA && len(keys) == 2 && len(args) == 3 {
		*call = &enqueueCall{task: keys[0], pending: keys[1], args: args}
	}
	answer := redis.NewCmd(ctx)
	answer.SetVal(int64(1))
	return answer
}

func newRecordingClient(rdb redis.UniversalClient) *asynq.Client {
	return asynq.NewClientFromRedisClient(recorder{rdb})
}

//go:embed lua/wake.lua
var wakeSource string

// wakeScript does for many tasks what asynq's script does for one.
var wakeScript = redis.NewScript(wakeSource)

// wakeAll wakes workers for the new orders among these; for a duplicate, a worker was woken
// when it was new.
func (p *Producer) wakeAll(ctx context.Context, all []pendingOrder) {
	p.countScheduled(ctx, all)
	queues := map[string]*tasksOfQueue{} // by pending list
	var failed []pendingOrder
	for _, o := range all {
		if o.result.Status != Enqueued || !o.scheduled.IsZero() {
			continue
		}
		call, err := p.recordEnqueue(ctx, o)
		if err == nil && call == nil {
			err = p.wakeOne(ctx, p.asynq, o) // an unknown version of asynq
		}
		if err != nil {
			failed = append(failed, o)
		}
		if call == nil {
			continue
		}
		if queues[call.pending] == nil {
			queues[call.pending] = &tasksOfQueue{keys: []string{call.pending}}
		}
		queues[call.pending].add(call, o)
	}
	for _, q := range queues {
		if wakeScript.Run(ctx, p.rdb, q.keys, q.args...).Err() != nil {
			failed = append(failed, q.orders...)
		}
	}
	p.dueSoon(ctx, failed)
}

// tasksOfQueue is one call of wake.lua.
type tasksOfQueue struct {
	keys   []string
	args   []any
	orders []pendingOrder
}

func (q *tasksOfQueue) add(c *enqueueCall, o pendingOrder) {
	q.keys = append(q.keys, c.task)
	q.args = append(q.args, c.args...)
	q.orders = append(q.orders, o)
}

//go:embed lua/soon.lua
var soonSource string

var soonScript = redis.NewScript(soonSource)

// dueSoon makes orders due soon whose wake-up failed: until then no worker would look at them. It
// returns no error: what accept has written stays, and the orders are due at their first look.
func (p *Producer) dueSoon(ctx context.Context, orders []pendingOrder) {
	if len(orders) == 0 {
		return
	}
	if p.wakeFailed != nil {
		p.wakeFailed()
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), earlyLook)
	defer cancel()
	args := []any{earlyLook.Milliseconds()}
	for _, o := range orders {
		args = append(args, o.id)
	}
	soonScript.Run(ctx, p.rdb, []string{p.keys.Due()}, args...)
}

// countScheduled enters the new orders among these whose not_before is ahead into a set of their own,
// which is only for counting: they are in due, and not a backlog. Should it fail, they count as one.
func (p *Producer) countScheduled(ctx context.Context, all []pendingOrder) {
	var scheduled []redis.Z
	for _, o := range all {
		if o.result.Status == Enqueued && !o.scheduled.IsZero() {
			scheduled = append(scheduled, redis.Z{Score: float64(o.scheduled.UnixMilli()), Member: o.id})
		}
	}
	if len(scheduled) > 0 {
		p.rdb.ZAdd(ctx, p.keys.Scheduled(), scheduled...)
	}
}

//go:embed lua/wakenew.lua
var wakeNewSource string

var wakeNewScript = redis.NewScript(wakeNewSource)

// acceptAndWake accepts one order and, if it is new, wakes a worker for it. If one server has
// all keys, both take one round trip.
func (p *Producer) acceptAndWake(ctx context.Context, o pendingOrder) {
	if !o.scheduled.IsZero() {
		p.accept(ctx, []pendingOrder{o}, nil) // its error is in the result
		p.countScheduled(ctx, []pendingOrder{o})
		return
	}
	var wake *piggybackWake
	if _, oneServer := p.rdb.(*redis.Client); oneServer {
		if call, err := p.recordEnqueue(ctx, o); err == nil && call != nil {
			wake = &piggybackWake{enqueueCall: call, journal: p.keys.Order(o.id)}
		}
	}
	p.accept(ctx, []pendingOrder{o}, wake) // its error is in the result
	if o.result.Status == Enqueued && !wake.done() && p.wakeOne(ctx, p.asynq, o) != nil {
		p.dueSoon(ctx, []pendingOrder{o})
	}
}

// piggybackWake is one call of wakenew.lua, sent in the same pipeline as accept.lua.
type piggybackWake struct {
	*enqueueCall
	journal string
	answer  *redis.Cmd
}

// addTo adds the call to a pipeline.
func (w *piggybackWake) addTo(ctx context.Context, pipe redis.Pipeliner, run scriptRun, nonce string) {
	if w != nil {
		args := append(w.args[:len(w.args):len(w.args)], nonce)
		w.answer = run(wakeNewScript, ctx, pipe, []string{w.pending, w.task, w.journal}, args...)
	}
}

// unknown reports whether the server does not know the script.
func (w *piggybackWake) unknown() bool {
	return w != nil && redis.HasErrorPrefix(w.answer.Err(), "NOSCRIPT")
}

// done reports whether the script ran. A server of a Cluster does not run it: its keys have
// two slots.
func (w *piggybackWake) done() bool { return w != nil && w.answer != nil && w.answer.Err() == nil }
