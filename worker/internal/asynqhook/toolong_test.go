package asynqhook

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/hibiken/asynq"

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
	failed := func() { t.Error("a dequeue counts as failed") }
	prefetcher := Install(rdb, server.Client(t), stop, 2, failed, refuse, "other", "q")[1]
	asynqServer := asynq.NewServerFromRedisClient(rdb, asynq.Config{Concurrency: 2, Queues: map[string]int{"q": 1}, LogLevel: asynq.FatalLevel})
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
	// As when asynq looks for the tasks of workers that have ended.
	err := rdb.HGet(ctx, "asynq:{q}:t:long", "msg").Err()
	if _, is := redisbound.Exceeded(err); !is {
		t.Error(err)
	}
	if len(refused) != 1 || refused[0].Size < 32<<20 || !strings.HasSuffix(refused[0].Beginning, "xxx") {
		t.Fatalf("refused: %d, of %d tries", len(refused), tries)
	}
	if keys := plain.Keys(ctx, "asynq:{q}:*").Val(); slices.Contains(keys, "asynq:{q}:t:long") ||
		plain.LLen(ctx, "asynq:{q}:active").Val() != 0 || plain.ZCard(ctx, "asynq:{q}:lease").Val() != 0 {
		t.Errorf("left: %v", keys)
	}
}
