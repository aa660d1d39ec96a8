package asynqhook

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/hibiken/asynq"
	"github.com/redis/go-redis/v9"

	"github.com/qfpay-worker/qfpay-worker/internal/redistest"
	"github.com/qfpay-worker/qfpay-worker/worker/internal/redisbound"
)

// A task that is too long is refused and removed, with nothing of it read but its beginning; those
// beside it are handled.
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
	if len(book.errors) != 1 || !strings.Contains(book.errors[0], "Redis is away") {
		t.Errorf("asynq was told of %q", book.errors)
	}
	if keys := plain.Keys(ctx, "asynq:{q}:*").Val(); slices.Contains(keys, "asynq:{q}:t:long") || plain.LLen(ctx, "asynq:{q}:active").Val() != 0 || plain.ZCard(ctx, "asynq:{q}:lease").Val() != 0 {
		t.Errorf("left: %v", keys)
	}
}

// errorBook keeps the errors that asynq logs.
type errorBook struct{ errors []string }

func (*errorBook) Debug(...any)        {}
func (*errorBook) Info(...any)         {}
func (*errorBook) Warn(...any)         {}
func (b *errorBook) Error(args ...any) { b.errors = append(b.errors, fmt.Sprint(args...)) }
func (b *errorBook) Fatal(args ...any) { b.Error(args...) }

// lateError is that of an answer that did not come in time.
type lateError struct{}

func (lateError) Error() string   { return "i/o timeout" }
func (lateError) Timeout() bool   { return true }
func (lateError) Temporary() bool { return true }

// Redis may take so long over a task that nobody hears of it. The task is looked for then.
func TestLongHook_LooksForATaskThatRedisIsLateWith(t *testing.T) {
	t.Parallel()
	rdb := redistest.Start(t).Client(t)
	redisbound.Install(rdb)
	ctx, long := t.Context(), strings.Repeat("x", 1<<20)
	for _, id := range []string{"short", "long"} {
		ok(t, rdb.ZAdd(ctx, "asynq:{q}:lease", redis.Z{Member: id}).Err())
		ok(t, rdb.HSet(ctx, "asynq:{q}:t:"+id, "msg", map[string]string{"short": "x", "long": long}[id]).Err())
	}
	refused := 0
	hook := longHook{rdb, []string{"q"}, func(context.Context, LongTask) error { refused++; return nil }}
	answer := error(lateError{})
	run := func(keys ...any) error {
		cmd := redis.NewCmd(ctx, append([]any{"evalsha", "x", len(keys)}, keys...)...)
		return hook.ProcessHook(func(ctx context.Context, cmd redis.Cmder) error {
			if cmd.Name() == "evalsha" {
				return answer
			}
			return rdb.Process(ctx, cmd)
		})(ctx, cmd)
	}
	if err := run("asynq:{q}:active", "asynq:{q}:lease", "asynq:{q}:t:1"); !errors.Is(err, lateError{}) || refused != 0 {
		t.Errorf("an acknowledgement that is late: %v, %d refused", err, refused)
	}
	for range 2 {
		if err := run("asynq:{q}:lease"); !errors.Is(err, lateError{}) || refused != 1 {
			t.Errorf("a look for expired leases that is late: %v, %d refused", err, refused)
		}
	}
	if left := rdb.ZRange(ctx, "asynq:{q}:lease", 0, -1).Val(); !slices.Equal(left, []string{"short"}) {
		t.Errorf("left: %v", left)
	}
	answer = &redisbound.TooLongError{}
	if err := run("asynq:{q}:pending", "asynq:{q}:paused", "asynq:{q}:active", "asynq:{q}:lease"); !errors.Is(err, redis.Nil) {
		t.Errorf("a dequeue of a task that is too long: %v, for asynq there is none", err)
	}
}
