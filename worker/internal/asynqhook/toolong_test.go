package asynqhook

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/hibiken/asynq"
	"github.com/redis/go-redis/v9"

	"github.com/qfpay-worker/qfpay-worker/internal/redistest"
	"github.com/qfpay-worker/qfpay-worker/worker/internal/redisbound"
)

// A task that is too long is refused and removed, with nothing of it read but its beginning; those
// beside it are handled. Scripts that were sent together with it, such as asynq's heartbeat, may fail.
func TestLongHook_PutsTasksAsideThatAreTooLong(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	plain, rdb := server.Client(t), server.Client(t)
	client, ctx := asynq.NewClientFromRedisClient(plain), t.Context()
	put := func(id, payload string) {
		t.Helper()
		_, err := client.EnqueueContext(ctx, asynq.NewTask("t", []byte(payload)), asynq.Queue("q"), asynq.TaskID(id))
		ok(t, err)
	}
	put("long", strings.Repeat("x", 32<<20))
	put("longer", strings.Repeat("x", 33<<20))
	put("short", "a")

	var mu sync.Mutex
	var refused []LongTask
	tries := 0
	refuse := func(_ context.Context, task LongTask) error {
		mu.Lock()
		defer mu.Unlock()
		if tries++; tries == 1 { // the first time it cannot be written down
			return errors.New("Redis is away")
		}
		refused = append(refused, task)
		return nil
	}
	stop, handled := make(chan struct{}), make(chan string, 9)
	book := &errorBook{}
	failed := func() { t.Error("a dequeue counts as failed") }
	prefetcher := Install(rdb, server.Client(t), stop, 2, failed, refuse, "other", "q")[1]
	asynqServer := asynq.NewServerFromRedisClient(rdb, asynq.Config{Concurrency: 2, Queues: map[string]int{"q": 1}, Logger: book, LogLevel: asynq.ErrorLevel})
	ok(t, asynqServer.Start(prefetcher.CountRunning(asynq.HandlerFunc(func(_ context.Context, task *asynq.Task) error {
		handled <- string(task.Payload())
		return nil
	}))))
	if payload := <-handled; payload != "a" {
		t.Errorf("%d bytes were handled", len(payload))
	}
	put("last", "b")
	<-handled
	close(stop)
	asynqServer.Shutdown()
	if len(refused) != 2 || refused[0].Size < 32<<20 || !strings.HasSuffix(refused[0].Beginning, "xxx") {
		t.Fatalf("refused: %d, of %d tries", len(refused), tries)
	}
	dequeues := slices.DeleteFunc(book.errors, func(e string) bool { return !strings.HasPrefix(e, "Dequeue error") })
	if len(dequeues) != 1 || !strings.Contains(dequeues[0], "Redis is away") {
		t.Errorf("asynq was told of %q", dequeues)
	}
	if keys := plain.Keys(ctx, "asynq:{q}:*").Val(); slices.Contains(keys, "asynq:{q}:t:long") || plain.LLen(ctx, "asynq:{q}:active").Val() != 0 || plain.ZCard(ctx, "asynq:{q}:lease").Val() != 0 {
		t.Errorf("left: %v", keys)
	}
}

// errorBook keeps the errors and warnings that asynq logs.
type errorBook struct{ errors []string }

func (*errorBook) Debug(...any)        {}
func (*errorBook) Info(...any)         {}
func (b *errorBook) Warn(args ...any)  { b.Error(args...) }
func (b *errorBook) Error(args ...any) { b.errors = append(b.errors, fmt.Sprint(args...)) }
func (b *errorBook) Fatal(args ...any) { b.Error(args...) }

// A task whose dequeue nobody heard of is put aside when its lease has ended, before asynq's script
// reads it with all the others. That of a worker which may still have it stays.
func TestLongHook_LooksForATaskThatNobodyHeardOfBeforeAsynqDoes(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	plain, rdb := server.Client(t), server.Client(t)
	client, ctx, now := asynq.NewClientFromRedisClient(plain), t.Context(), time.Now()
	long := strings.Repeat("x", 1<<20)
	for _, task := range []struct {
		id, payload string
		leaseEnds   time.Time
	}{
		{"held", long, now.Add(time.Hour)},
		{"long", long, now.Add(-time.Minute)},
		{"short", "a", now.Add(-time.Minute)},
	} {
		_, err := client.EnqueueContext(ctx, asynq.NewTask("t", []byte(task.payload)), asynq.Queue("q"), asynq.TaskID(task.id))
		ok(t, err)
		ok(t, plain.LMove(ctx, "asynq:{q}:pending", "asynq:{q}:active", "RIGHT", "LEFT").Err())
		ok(t, plain.ZAdd(ctx, "asynq:{q}:lease", redis.Z{Member: task.id, Score: float64(task.leaseEnds.Unix())}).Err())
		ok(t, plain.HSet(ctx, "asynq:{q}:t:"+task.id, "state", "active").Err())
	}

	refused, handled, book := make(chan int, 9), make(chan string, 9), &errorBook{}
	redisbound.Install(rdb)
	rdb.AddHook(&longHook{rdb: rdb, queues: []string{"p", "q"}, refuse: func(_ context.Context, task LongTask) error {
		refused <- task.Size
		return nil
	}})
	asynqServer := asynq.NewServerFromRedisClient(rdb, asynq.Config{
		Queues: map[string]int{"q": 1}, Logger: book, LogLevel: asynq.WarnLevel,
		DelayedTaskCheckInterval: 10 * time.Millisecond,
		RetryDelayFunc:           func(int, error, *asynq.Task) time.Duration { return 0 },
	})
	ok(t, asynqServer.Start(asynq.HandlerFunc(func(_ context.Context, task *asynq.Task) error {
		handled <- string(task.Payload())
		return nil
	})))
	if payload := <-handled; payload != "a" {
		t.Errorf("%d bytes were handled", len(payload))
	}
	asynqServer.Shutdown()
	if len(refused) != 1 || <-refused < 1<<20 {
		t.Errorf("not only the long task of a worker that has ended was refused")
	}
	if len(book.errors) > 0 {
		t.Errorf("asynq was told of %q", book.errors)
	}
	if left := plain.ZRange(ctx, "asynq:{q}:lease", 0, -1).Val(); !slices.Equal(left, []string{"held"}) {
		t.Errorf("left: %v", left)
	}
}

// Scripts that were sent together with a long task fail together, and it is refused once.
func TestLongHook_RefusesATaskOnceForAllThatFailWithIt(t *testing.T) {
	t.Parallel()
	rdb := redistest.Start(t).Client(t)
	redisbound.Install(rdb)
	ctx := t.Context()
	ok(t, rdb.ZAdd(ctx, "asynq:{q}:lease", redis.Z{Member: "long", Score: float64(time.Now().Unix() + 30)}).Err())
	ok(t, rdb.HSet(ctx, "asynq:{q}:t:long", "msg", strings.Repeat("x", 1<<20)).Err())
	const scripts = 8
	var refused, arrived sync.WaitGroup
	var mu sync.Mutex
	tries := 0
	arrived.Add(scripts)
	hook := &longHook{rdb: rdb, queues: []string{"q"}, refuse: func(context.Context, LongTask) error {
		mu.Lock()
		defer mu.Unlock()
		tries++
		return nil
	}}
	process := hook.ProcessHook(func(ctx context.Context, cmd redis.Cmder) error {
		err := rdb.HGet(ctx, "asynq:{q}:t:long", "msg").Err()
		if cmd.Name() == "evalsha" {
			arrived.Done()
			arrived.Wait()
		}
		return err
	})
	for range scripts {
		refused.Go(func() { process(ctx, redis.NewCmd(ctx, "evalsha", "x", 1, "asynq:{q}:t:other")) })
	}
	refused.Wait()
	if tries != 1 {
		t.Errorf("the task was refused %d times", tries)
	}
}

// For asynq, a dequeue of a task that is too long found none.
func TestLongHook_ADequeueOfSuchATaskIsNoError(t *testing.T) {
	t.Parallel()
	hook := &longHook{rdb: redistest.Start(t).Client(t), queues: []string{"q"}}
	dequeue := redis.NewCmd(t.Context(), "evalsha", "x", 4, "asynq:{q}:pending", "asynq:{q}:paused", "asynq:{q}:active", "asynq:{q}:lease")
	err := hook.ProcessHook(func(context.Context, redis.Cmder) error { return &redisbound.TooLongError{} })(t.Context(), dequeue)
	if !errors.Is(err, redis.Nil) || !errors.Is(dequeue.Err(), redis.Nil) {
		t.Errorf("%v, and the command has %v", err, dequeue.Err())
	}
}
