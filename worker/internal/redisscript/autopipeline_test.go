package redisscript

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/qfpay-worker/qfpay-worker/internal/redistest"
	"github.com/qfpay-worker/qfpay-worker/worker/internal/timing"
)

// convoy is a hook that counts what leaves, and holds what leaves alone until it is
// let go.
type convoy struct {
	alone, batches, inBatches atomic.Int64
	left                      chan struct{} // has an element for each that has left alone
	letGo                     chan struct{}
}

func (*convoy) DialHook(next redis.DialHook) redis.DialHook {
	return func(ctx context.Context, n, a string) (net.Conn, error) { return next(ctx, n, a) }
}
func (c *convoy) ProcessHook(next redis.ProcessHook) redis.ProcessHook {
	return func(ctx context.Context, cmd redis.Cmder) error {
		if cmd.Name() == "evalsha" {
			c.alone.Add(1)
			c.left <- struct{}{}
			<-c.letGo
		}
		return next(ctx, cmd)
	}
}
func (c *convoy) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return func(ctx context.Context, cmds []redis.Cmder) error {
		if cmds[0].Name() == "evalsha" { // and not how go-redis greets the server
			c.batches.Add(1)
			c.inBatches.Add(int64(len(cmds)))
		}
		return next(ctx, cmds)
	}
}

// parrot answers its argument.
var parrot = redis.NewScript(`return ARGV[1]`)

func newConvoy(t *testing.T) (pipelinedClient, *convoy) {
	t.Helper()
	rdb := redistest.Start(t).Client(t)
	ok(t, parrot.Load(t.Context(), rdb).Err())
	c := &convoy{left: make(chan struct{}, 100), letGo: make(chan struct{})}
	rdb.AddHook(c)
	return NewPipelinedClient(rdb), c
}

// queued waits until so many scripts wait for the batch under way.
func (p *Autopipeline) queued(t *testing.T, n int) {
	t.Helper()
	for end := time.Now().Add(10 * time.Second); ; time.Sleep(time.Millisecond) { // polling
		p.mu.Lock()
		waiting := len(p.waiting)
		p.mu.Unlock()
		if waiting == n {
			return
		}
		if time.Now().After(end) {
			t.Fatalf("%d scripts wait, want %d", waiting, n)
		}
	}
}

func TestAutopipeline_SendsWaitingScriptsTogetherAndAnswersEach(t *testing.T) {
	t.Parallel()
	rdb, c := newConvoy(t)
	var all sync.WaitGroup
	run := func(word string) {
		all.Go(func() {
			if got, err := parrot.Run(t.Context(), rdb, []string{"{k}"}, word).Text(); got != word || err != nil {
				t.Errorf("answer %q, %v, want %q", got, err, word)
			}
		})
	}
	run("first")
	<-c.left
	for i := range flushAt - 1 {
		run(fmt.Sprint("word", i))
	}
	rdb.scripts.queued(t, flushAt-1)
	close(c.letGo)
	all.Wait()
	if c.alone.Load() != 1 || c.batches.Load() != 1 || c.inBatches.Load() != flushAt-1 {
		t.Errorf("%d left alone, and %d in %d batches", c.alone.Load(), c.inBatches.Load(), c.batches.Load())
	}
}

// With a Redis far away, a caller that waits for the first answer would wait twice.
func TestAutopipeline_SendsManyScriptsBeforeTheFirstIsAnswered(t *testing.T) {
	t.Parallel()
	rdb, c := newConvoy(t)
	var first, others sync.WaitGroup
	first.Go(func() { parrot.Run(t.Context(), rdb, []string{"{k}"}, "first") })
	<-c.left
	for range flushAt {
		others.Go(func() { parrot.Run(t.Context(), rdb, []string{"{k}"}, "word") })
	}
	others.Wait() // while the first is still held
	close(c.letGo)
	first.Wait()
}

// A worker that stops does not wait for a Redis that is frozen, although go-redis does.
func TestAutopipeline_GivesUpAScriptThatIsUnderWay(t *testing.T) {
	t.Parallel()
	rdb, c := newConvoy(t)
	ctx, cancel := context.WithCancel(t.Context())
	given := make(chan error)
	go func() { given <- parrot.Run(ctx, rdb, []string{"{k}"}, "first").Err() }()
	<-c.left
	cancel()
	if err := <-given; !errors.Is(err, context.Canceled) {
		t.Errorf("error %v, want that its context was cancelled", err)
	}
	close(c.letGo)
}

func TestAutopipeline_GivesUpAScriptWhoseTimeIsUpAndNoOther(t *testing.T) {
	t.Parallel()
	rdb, c := newConvoy(t)
	var others sync.WaitGroup
	others.Go(func() { parrot.Run(t.Context(), rdb, []string{"{k}"}, "first") })
	<-c.left
	ctx, cancel := context.WithCancel(t.Context())
	given := make(chan error)
	go func() { given <- parrot.Run(ctx, rdb, []string{"{k}"}, "impatient").Err() }()
	rdb.scripts.queued(t, 1)
	others.Go(func() {
		if got, err := parrot.Run(t.Context(), rdb, []string{"{k}"}, "patient").Text(); got != "patient" || err != nil {
			t.Errorf("answer %q, %v", got, err)
		}
	})
	rdb.scripts.queued(t, 2)
	cancel()
	if err := <-given; !errors.Is(err, context.Canceled) {
		t.Errorf("error %v, want that its context was cancelled", err)
	}
	close(c.letGo)
	others.Wait()
}

func TestAutopipeline_BringsAScriptTheServerDoesNotKnow(t *testing.T) {
	t.Parallel()
	rdb := NewPipelinedClient(redistest.Start(t).Client(t))
	if got, err := parrot.Run(t.Context(), rdb, []string{"{k}"}, "word").Text(); got != "word" || err != nil {
		t.Errorf("answer %q, %v", got, err)
	}
}

// A batch lasts as long as its most patient caller, and for ever if one has no deadline.
func TestAutopipeline_LastsAsLongAsItsMostPatientCaller(t *testing.T) {
	t.Parallel()
	soon, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	late, cancelLate := context.WithTimeout(t.Context(), time.Hour)
	defer cancelLate()
	ctx, end := longest([]*scriptCall{{ctx: soon}, {ctx: late}})
	defer end()
	if got, _ := ctx.Deadline(); time.Until(got) < 59*time.Minute {
		t.Errorf("it ends in %s", time.Until(got))
	}
	ctx, end = longest([]*scriptCall{{ctx: soon}, {ctx: t.Context()}})
	defer end()
	if got, bounded := ctx.Deadline(); bounded {
		t.Errorf("it ends in %s, and one of its callers waits for ever", time.Until(got))
	}
}

// Where many come, a batch lets others come along; where few come, none waits.
func TestAutopipeline_SpacesItsPipelinesUnderLoad(t *testing.T) {
	t.Parallel()
	rdb := redistest.Start(t).Client(t)
	ok(t, parrot.Load(t.Context(), rdb).Err())
	p := NewPipelinedClient(rdb).scripts
	cmd := redis.NewCmd(t.Context(), "evalsha", parrot.Hash(), 1, "{k}", "word")
	for n, large := range map[int]bool{busyBatch - 1: false, busyBatch: true} {
		for _, a := range p.Repeat(t.Context(), cmd, n, rdb.Process) {
			if word, err := a.Text(); word != "word" || err != nil {
				t.Errorf("answer %q, %v", word, err)
			}
		}
		left := p.lastFlush
		if p.busy != large {
			t.Errorf("%d scripts are a large batch: %v", n, p.busy)
		}
		p.Do(t.Context(), cmd, rdb.Process)
		if between := p.lastFlush.Sub(left); large && between < timing.BatchInterval {
			t.Errorf("the batch after a large one left %s after it", between)
		}
	}
}

// A server that refuses new connections has run no script of a batch, and answers none of them.
func TestAutopipeline_TellsEveryCallerThatTheServerRefuses(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	rdb := server.Refused(t)
	cmd := redis.NewCmd(t.Context(), "evalsha", parrot.Hash(), 0, "x")
	for i, answer := range NewAutopipeline(rdb).Repeat(t.Context(), cmd, 3, rdb.Process) {
		if answer.Err() == nil {
			t.Errorf("script %d: no error, answer %v", i, answer.Val())
		}
	}
}
