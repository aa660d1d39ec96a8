package redisscript

import (
	"context"
	"runtime"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/qfpay-worker/qfpay-worker/internal/redispipe"
	"github.com/qfpay-worker/qfpay-worker/worker/internal/timing"
)

// Autopipeline sends the scripts of many goroutines in one pipeline. A worker with many orders
// in flight runs some thousand scripts a second, and most of a script's cost is the system calls
// around it. A script that finds no batch in flight leaves at once; scripts that come meanwhile
// leave together when that batch is back. Only after a large batch does the next one wait, for a
// millisecond at most, so that more scripts join it; the scripts of a single order, one after
// the other, never make a large batch. With a Redis far away many scripts gather, and further
// batches leave without waiting for those before them.
//
// The scripts themselves do not change: each is atomic by itself, each has its own answer, and
// the steps of one order stay in order since each waits for its answer. Like any command of
// go-redis, a batch may be sent again when its answer was lost; the scripts allow for that.
type Autopipeline struct {
	rdb redis.UniversalClient

	mu        sync.Mutex
	waiting   []*scriptCall
	inFlight  int       // batches on their way
	lastFlush time.Time // when the latest batch left
	busy      bool      // the latest batch was a large one
}

// NewAutopipeline returns an autopipeline that sends its batches with rdb.
func NewAutopipeline(rdb redis.UniversalClient) *Autopipeline { return &Autopipeline{rdb: rdb} }

const (
	flushAt     = 16  // so many waiting scripts do not wait for the batch in flight
	maxInFlight = 4   // batches on their way
	maxBatch    = 128 // scripts in one batch: other clients get their turn in between

	busyBatch = 4 // from so many scripts on a batch is a large one
)

// scriptCall is one call of a script.
type scriptCall struct {
	ctx    context.Context
	cmd    *redis.Cmd
	direct redis.ProcessHook // sends it when it is alone in its batch
	done   chan struct{}
}

// Do runs the script of an EVALSHA and copies its answer to cmd. When ctx ends before the answer
// is there, the script may still be carried out, as with any answer that was lost.
func (p *Autopipeline) Do(ctx context.Context, cmd *redis.Cmd, direct redis.ProcessHook) error {
	if err := ctx.Err(); err != nil {
		cmd.SetErr(err)
		return err
	}
	f := newScriptCall(ctx, cmd, direct)
	if p.enqueue(f) {
		go p.flush() // not here: go-redis waits for Redis whatever becomes of ctx
	}
	answer := f.answer(ctx)
	cmd.SetVal(answer.Val())
	cmd.SetErr(answer.Err())
	return cmd.Err()
}

// Repeat runs the script of an EVALSHA n times, and returns the answers.
func (p *Autopipeline) Repeat(ctx context.Context, cmd *redis.Cmd, n int, direct redis.ProcessHook) []*redis.Cmd {
	calls, answers := make([]*scriptCall, n), make([]*redis.Cmd, n)
	for i := range calls {
		calls[i] = newScriptCall(ctx, cmd, direct)
	}
	if p.enqueue(calls...) {
		go p.flush()
	}
	for i, f := range calls {
		answers[i] = f.answer(ctx)
	}
	return answers
}

// newScriptCall makes a call with a command of its own, so that a late answer is not written
// into the command of a caller who has left.
func newScriptCall(ctx context.Context, cmd *redis.Cmd, direct redis.ProcessHook) *scriptCall {
	f := &scriptCall{ctx: ctx, cmd: redis.NewCmd(ctx, cmd.Args()...), direct: direct, done: make(chan struct{})}
	f.cmd.SetFirstKeyPos(3) // evalsha, hash, number of keys
	return f
}

// answer waits for the answer.
func (f *scriptCall) answer(ctx context.Context) *redis.Cmd {
	select {
	case <-f.done:
		return f.cmd
	case <-ctx.Done():
		late := redis.NewCmd(ctx)
		late.SetErr(ctx.Err())
		return late
	}
}

// enqueue adds scripts to those that wait, and reports whether the caller has to flush.
func (p *Autopipeline) enqueue(calls ...*scriptCall) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.waiting = append(p.waiting, calls...)
	leaves := p.inFlight == 0 || len(p.waiting) >= flushAt && p.inFlight < maxInFlight
	if leaves {
		p.inFlight++
	}
	return leaves
}

// flush sends one batch. A goroutine sends the scripts that have come meanwhile, since the
// caller has its own answer by then.
func (p *Autopipeline) flush() {
	// Goroutines that are about to run a script can still join the batch. In an idle worker
	// there are none, and this costs nothing.
	runtime.Gosched()
	p.keepInterval()
	if batch := p.take(); len(batch) > 0 {
		p.send(batch)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.waiting) == 0 {
		p.inFlight--
		return
	}
	go p.flush()
}

// keepInterval waits after a large batch, so that more scripts join the next one.
func (p *Autopipeline) keepInterval() {
	p.mu.Lock()
	pause := time.Duration(0)
	if p.busy {
		pause = timing.BatchInterval - time.Since(p.lastFlush)
	}
	p.mu.Unlock()
	time.Sleep(pause)
}

// take returns the next batch.
func (p *Autopipeline) take() []*scriptCall {
	p.mu.Lock()
	defer p.mu.Unlock()
	n := min(len(p.waiting), maxBatch)
	batch := p.waiting[:n:n]
	if p.waiting = p.waiting[n:]; len(p.waiting) == 0 {
		p.waiting = nil // so that the scripts that have left can be freed
	}
	p.lastFlush, p.busy = time.Now(), len(batch) >= busyBatch
	return batch
}

// send sends a batch, and wakes its callers. A single script is sent as it is.
func (p *Autopipeline) send(batch []*scriptCall) {
	ctx, cancel := longest(batch)
	defer cancel()
	if len(batch) == 1 {
		batch[0].cmd.SetErr(batch[0].direct(ctx, batch[0].cmd))
	} else {
		pipe := p.rdb.Pipeline()
		for _, f := range batch {
			pipe.Process(ctx, f.cmd)
		}
		redispipe.Exec(ctx, pipe) // its error is that of a command
	}
	for _, f := range batch {
		close(f.done)
	}
}

// longest returns a context that lasts as long as that of the most patient caller: a batch must
// not end because one of its callers has no time left.
func longest(batch []*scriptCall) (context.Context, context.CancelFunc) {
	ctx := context.WithoutCancel(batch[0].ctx)
	last, bounded := batch[0].ctx.Deadline()
	for _, f := range batch[1:] {
		deadline, ok := f.ctx.Deadline()
		if bounded = bounded && ok; !bounded {
			break
		}
		if deadline.After(last) {
			last = deadline
		}
	}
	if !bounded {
		return ctx, func() {}
	}
	return context.WithDeadline(ctx, last)
}

// pipelinedClient is a client whose scripts go through an autopipeline, and whose other commands
// do not.
type pipelinedClient struct {
	redis.UniversalClient
	scripts *Autopipeline
}

// NewPipelinedClient returns a client of rdb whose scripts go through an autopipeline.
func NewPipelinedClient(rdb redis.UniversalClient) pipelinedClient {
	return pipelinedClient{UniversalClient: rdb, scripts: NewAutopipeline(rdb)}
}

// EvalSha implements [redis.Scripter].
func (b pipelinedClient) EvalSha(ctx context.Context, sha string, keys []string, args ...any) *redis.Cmd {
	cmd := evalSha(ctx, sha, keys, args...)
	b.scripts.Do(ctx, cmd, b.Process) // its error is in the command
	return cmd
}

func evalSha(ctx context.Context, sha string, keys []string, args ...any) *redis.Cmd {
	line := make([]any, 0, 3+len(keys)+len(args))
	line = append(line, "evalsha", sha, len(keys))
	for _, k := range keys {
		line = append(line, k)
	}
	cmd := redis.NewCmd(ctx, append(line, args...)...)
	cmd.SetFirstKeyPos(3)
	return cmd
}
