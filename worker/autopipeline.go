package worker

import (
	"context"
	"net"
	"runtime"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"
)

// batcher sends the scripts of many goroutines in one pipeline. A worker with many
// orders in hand runs some thousand scripts a second, and most of what one costs is
// the system calls around it. A script that comes while no other is under way leaves at
// once, and those that come meanwhile leave together when that one is back. Only after a
// crowd a batch waits, for a millisecond at most, so that more come along: one after
// another in one order's hand are no crowd. With a Redis far away many gather meanwhile,
// and further batches leave without waiting for those before them.
//
// What a script is does not change: each is atomic by itself, each has its own
// answer, and the steps of one order follow each other since each waits for its
// answer. Like any command of go-redis, a batch may be sent again when its answer
// was lost; the scripts bear that.
type autopipeline struct {
	rdb redis.UniversalClient

	mu        sync.Mutex
	waiting   []*scriptCall
	inFlight  int       // batches under way
	lastFlush time.Time // when the latest one left
	busy      bool      // and whether it was a crowd
}

const (
	flushAt     = 16  // scripts that do not wait for the batch before them
	maxInFlight = 4   // batches under way
	maxBatch    = 128 // scripts in one batch: other clients have their turn in between

	busyBatch   = 4                // scripts in a batch that is a crowd
	minInterval = time.Millisecond // how long after a crowd the next batch leaves, at the earliest
)

// scriptCall is one script on its way.
type scriptCall struct {
	ctx    context.Context
	cmd    *redis.Cmd
	direct redis.ProcessHook // sends it when it has no company
	done   chan struct{}
}

// do runs the script of an EVALSHA and gives its answer to cmd. When ctx ends before
// the answer is there, it may still be carried out: as with any answer that was lost.
func (p *autopipeline) do(ctx context.Context, cmd *redis.Cmd, direct redis.ProcessHook) error {
	if err := ctx.Err(); err != nil {
		cmd.SetErr(err)
		return err
	}
	f := newScriptCall(ctx, cmd, direct)
	if p.enqueue(f) {
		p.flush()
	}
	answer := f.answer(ctx)
	cmd.SetVal(answer.Val())
	cmd.SetErr(answer.Err())
	return cmd.Err()
}

// times runs the script of an EVALSHA n times, and returns the answers.
func (p *autopipeline) times(ctx context.Context, cmd *redis.Cmd, n int, direct redis.ProcessHook) []*redis.Cmd {
	calls, answers := make([]*scriptCall, n), make([]*redis.Cmd, n)
	for i := range calls {
		calls[i] = newScriptCall(ctx, cmd, direct)
	}
	if p.enqueue(calls...) {
		p.flush()
	}
	for i, f := range calls {
		answers[i] = f.answer(ctx)
	}
	return answers
}

// newScriptCall is a call with a command of its own, so that nobody writes into the caller's
// after it has left.
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

// enter puts scripts in line, and tells whether their caller is to send what is there.
func (p *autopipeline) enqueue(calls ...*scriptCall) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.waiting = append(p.waiting, calls...)
	leaves := p.inFlight == 0 || len(p.waiting) >= flushAt && p.inFlight < maxInFlight
	if leaves {
		p.inFlight++
	}
	return leaves
}

// fly sends one batch. What has come meanwhile is sent by a goroutine, since the
// caller has its own answer by then.
func (p *autopipeline) flush() {
	// Whoever is about to run a script may still come along. When nobody is, as in an
	// idle worker, this costs nothing.
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

// keepApart lets further scripts come, when there were many of them just now.
func (p *autopipeline) keepInterval() {
	p.mu.Lock()
	pause := time.Duration(0)
	if p.busy {
		pause = minInterval - time.Since(p.lastFlush)
	}
	p.mu.Unlock()
	time.Sleep(pause)
}

// take takes the next batch out of the line.
func (p *autopipeline) take() []*scriptCall {
	p.mu.Lock()
	defer p.mu.Unlock()
	n := min(len(p.waiting), maxBatch)
	batch := p.waiting[:n:n]
	if p.waiting = p.waiting[n:]; len(p.waiting) == 0 {
		p.waiting = nil // keeps none of those that have left
	}
	p.lastFlush, p.busy = time.Now(), len(batch) >= busyBatch
	return batch
}

// send sends a batch, and tells each of its callers. One alone goes as it is.
func (p *autopipeline) send(batch []*scriptCall) {
	ctx, cancel := longest(batch)
	defer cancel()
	if len(batch) == 1 {
		batch[0].cmd.SetErr(batch[0].direct(ctx, batch[0].cmd))
	} else {
		pipe := p.rdb.Pipeline()
		for _, f := range batch {
			pipe.Process(ctx, f.cmd)
		}
		pipe.Exec(ctx) // its error is that of a command
	}
	for _, f := range batch {
		close(f.done)
	}
}

// longest is a context that lasts as long as that of any caller: a batch must not end
// because one of its callers has no time left.
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

// batched is a client whose scripts go in batches, and everything else as before.
type pipelinedClient struct {
	redis.UniversalClient
	scripts *autopipeline
}

func newPipelinedClient(rdb redis.UniversalClient) pipelinedClient {
	return pipelinedClient{UniversalClient: rdb, scripts: &autopipeline{rdb: rdb}}
}

// EvalSha implements [redis.Scripter].
func (b pipelinedClient) EvalSha(ctx context.Context, sha string, keys []string, args ...any) *redis.Cmd {
	cmd := evalSha(ctx, sha, keys, args...)
	b.scripts.do(ctx, cmd, b.Process) // its error is in the command
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

// batchHook has the scripts of asynq's client go in batches, and its dequeues answered by
// the supplies of their queues. It is the innermost of the hooks: the others see each script
// by itself.
type autopipelineHook struct {
	scripts     *autopipeline
	prefetchers map[string]*prefetcher // by the key of the queue's pending list
}

// DialHook implements [redis.Hook].
func (autopipelineHook) DialHook(next redis.DialHook) redis.DialHook {
	return func(ctx context.Context, network, addr string) (net.Conn, error) { return next(ctx, network, addr) }
}

// ProcessPipelineHook implements [redis.Hook].
func (autopipelineHook) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return next
}

// ProcessHook implements [redis.Hook].
func (h autopipelineHook) ProcessHook(next redis.ProcessHook) redis.ProcessHook {
	return func(ctx context.Context, cmd redis.Cmder) error {
		script, ok := cmd.(*redis.Cmd)
		if !ok || cmd.Name() != "evalsha" {
			return next(ctx, cmd)
		}
		if pending, is := dequeues(cmd); is && h.prefetchers[pending] != nil {
			return h.prefetchers[pending].dequeue(ctx, script, h.scripts, next)
		}
		return h.scripts.do(ctx, script, next)
	}
}
