package asynqhook

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/hibiken/asynq"
	"github.com/redis/go-redis/v9"

	"github.com/qfpay-worker/qfpay-worker/internal/redistest"
	"github.com/qfpay-worker/qfpay-worker/worker/internal/redisscript"
)

// dequeueScript does with a list what asynq's does with a queue.
var dequeueScript = redis.NewScript(`return redis.call("RPOPLPUSH", KEYS[1], KEYS[3])`)

const pendingList = "asynq:{q}:pending"

// till is asynq as far as a prefetcher sees it: it asks for one task at a time.
type till struct {
	t          *testing.T
	rdb        *redis.Client
	scripts    *redisscript.Autopipeline
	prefetcher *Prefetcher
}

func newTill(t *testing.T, concurrency int) *till {
	t.Helper()
	rdb := redistest.Start(t).Client(t)
	ok(t, dequeueScript.Load(t.Context(), rdb).Err())
	return &till{t, rdb, redisscript.NewAutopipeline(rdb), &Prefetcher{concurrency: concurrency, stop: make(chan struct{})}}
}

// fill puts tasks into the queue.
func (a *till) fill(n int) {
	a.t.Helper()
	for i := range n {
		ok(a.t, a.rdb.LPush(a.t.Context(), pendingList, i).Err())
	}
}

// ask asks for the next task.
func (a *till) ask() (any, error) {
	ctx := a.t.Context()
	cmd := redis.NewCmd(ctx, "evalsha", dequeueScript.Hash(), 4, pendingList, "asynq:{q}:paused", "asynq:{q}:active", "asynq:{q}:lease")
	err := a.prefetcher.dequeue(ctx, cmd, a.scripts, a.rdb.Process)
	return cmd.Val(), err
}

// active is how many tasks are out of the queue.
func (a *till) active() int {
	a.t.Helper()
	n, err := a.rdb.LLen(a.t.Context(), "asynq:{q}:active").Result()
	ok(a.t, err)
	return int(n)
}

func TestPrefetch_FetchesMoreAndMoreWhileThereIsMore(t *testing.T) {
	t.Parallel()
	a := newTill(t, 64)
	a.fill(20)
	var active []int
	for i := range 20 {
		if task, err := a.ask(); task != fmt.Sprint(i) || err != nil {
			t.Fatalf("task %v, %v, want %d", task, err, i)
		}
		active = append(active, a.active())
	}
	if steps := slices.Compact(active); !slices.Equal(steps, []int{1, 3, 7, 15, 20}) {
		t.Errorf("fetched up to %v", steps)
	}
	if task, err := a.ask(); !errors.Is(err, redis.Nil) {
		t.Errorf("an empty queue gave %v, %v", task, err)
	}
	a.fill(3)
	if _, err := a.ask(); err != nil || a.active() != 21 {
		t.Errorf("after an empty answer %d were fetched, %v, want one", a.active()-20, err)
	}
}

// A task that is fetched without room for it would wait here while another process has
// room.
func TestPrefetch_FetchesNoMoreThanThereIsRoomFor(t *testing.T) {
	t.Parallel()
	a := newTill(t, 4)
	a.fill(20)
	hold, begun := make(chan struct{}), make(chan struct{})
	handler := a.prefetcher.CountRunning(asynq.HandlerFunc(func(context.Context, *asynq.Task) error {
		begun <- struct{}{}
		<-hold
		return nil
	}))
	ended := make(chan error)
	for range 3 {
		_, err := a.ask()
		ok(t, err)
		go func() { ended <- handler.ProcessTask(t.Context(), nil) }()
		<-begun
	}
	if _, err := a.ask(); err != nil || a.active() != 4 {
		t.Errorf("%d tasks fetched, %v, with room for 4", a.active(), err)
	}
	close(hold)
	for range 3 {
		ok(t, <-ended)
	}
}

// What is handed over has room of its own before its handler begins.
func TestPrefetch_CountsTasksThatAreHandedOver(t *testing.T) {
	t.Parallel()
	a := newTill(t, 2)
	a.fill(20)
	for asked := 1; asked <= 3; asked++ {
		if _, err := a.ask(); err != nil || a.active() != asked {
			t.Errorf("%d tasks fetched, %v, for %d that were asked for, with room for 2", a.active(), err, asked)
		}
	}
}

func TestPrefetch_DrainsWithoutFetchingMore(t *testing.T) {
	t.Parallel()
	a := newTill(t, 64)
	a.fill(20)
	for range 4 { // one, two more, and four more, three of which are ready
		_, err := a.ask()
		ok(t, err)
	}
	stop := make(chan struct{})
	a.prefetcher.stop = stop
	close(stop)
	drained := make(chan struct{})
	go func() {
		a.prefetcher.Drain()
		close(drained)
	}()
	for range 3 {
		select {
		case <-drained:
			t.Fatal("drained with tasks that are ready")
		case <-time.After(5 * time.Millisecond):
		}
		_, err := a.ask()
		ok(t, err)
	}
	<-drained
	if _, err := a.ask(); err != nil || a.active() != 8 {
		t.Errorf("%d tasks fetched, %v, want 8", a.active(), err)
	}
}

// asynq brings a script that Redis does not know, when it is told so.
func TestPrefetch_TellsWhyItHasNothing(t *testing.T) {
	t.Parallel()
	a := newTill(t, 64)
	ok(t, a.rdb.ScriptFlush(t.Context()).Err())
	if _, err := a.ask(); !redis.HasErrorPrefix(err, "NOSCRIPT") {
		t.Errorf("error %v", err)
	}
}
