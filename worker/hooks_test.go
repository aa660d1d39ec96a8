package worker

import (
	"context"
	"errors"
	"io"
	"net"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/hibiken/asynq"
	"github.com/redis/go-redis/v9"

	"github.com/qfpay-worker/qfpay-worker/tasks/redistest"
)

// spy counts which of the scripts that go by the hooks take for what they look for.
type spy struct {
	mu                                     sync.Mutex
	dequeues, acknowledges, blocks, others int
}

func (*spy) DialHook(next redis.DialHook) redis.DialHook {
	return func(ctx context.Context, n, a string) (net.Conn, error) { return next(ctx, n, a) }
}
func (*spy) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return next
}
func (s *spy) ProcessHook(next redis.ProcessHook) redis.ProcessHook {
	return func(ctx context.Context, cmd redis.Cmder) error {
		_, dequeue := dequeues(cmd)
		s.mu.Lock()
		switch {
		case dequeue:
			s.dequeues++
		case acknowledges(cmd):
			s.acknowledges++
		case cmd.Name() == "blmove":
			s.blocks++
		default:
			s.others++
		}
		s.mu.Unlock()
		return next(ctx, cmd)
	}
}

// The hooks know asynq's scripts by their keys; this holds them against the asynq
// of go.mod.
func TestHooksFitAsynq(t *testing.T) {
	rdb := redistest.Start(t).Client(t)
	stop, done := make(chan struct{}), make(chan struct{})
	seen := &spy{}
	rdb.AddHook(ackHook{})
	rdb.AddHook(wakeHook{rdb: rdb, stop: stop})
	rdb.AddHook(seen)
	server := asynq.NewServerFromRedisClient(rdb, asynq.Config{
		Concurrency: 2, Queues: map[string]int{"q": 1}, TaskCheckInterval: 10 * time.Millisecond, LogLevel: asynq.FatalLevel,
	})
	ok(t, server.Start(asynq.HandlerFunc(func(context.Context, *asynq.Task) error {
		close(stop)
		close(done)
		return nil
	})))
	_, err := asynq.NewClientFromRedisClient(rdb).Enqueue(asynq.NewTask("t", nil), asynq.Queue("q"))
	ok(t, err)
	<-done
	server.Shutdown()
	if seen.dequeues == 0 || seen.acknowledges == 0 {
		t.Errorf("recognised %d dequeues and %d acknowledgements; has asynq changed its scripts?", seen.dequeues, seen.acknowledges)
	}
}

// dequeueScript does with a list what asynq's does with a queue, and counts.
var dequeueScript = redis.NewScript(`redis.call("INCR", KEYS[4]) return redis.call("RPOPLPUSH", KEYS[1], KEYS[3])`)

const pendingList = "asynq:{q}:pending"

// asks asks once for a task, as asynq does, and returns what it gets and how often Redis was
// asked.
func asks(t *testing.T, rdb *redis.Client, hook wakeHook) (task any, times int, err error) {
	t.Helper()
	keys := []string{pendingList, "asynq:{q}:paused", "asynq:{q}:active", "asynq:{q}:lease"}
	ok(t, dequeueScript.Load(t.Context(), rdb).Err())
	ok(t, rdb.Del(t.Context(), keys[3]).Err())
	cmd := redis.NewCmd(t.Context(), "evalsha", dequeueScript.Hash(), 4, keys[0], keys[1], keys[2], keys[3])
	err = hook.ProcessHook(rdb.Process)(t.Context(), cmd)
	times, counted := rdb.Get(t.Context(), keys[3]).Int()
	ok(t, counted)
	return cmd.Val(), times, err
}

func TestADequeueThatFindsNothingWaitsForATask(t *testing.T) {
	rdb := redistest.Start(t).Client(t)
	hook := wakeHook{rdb: rdb, stop: make(chan struct{}), supplies: map[string]*supply{pendingList: {}}}
	go func() {
		for blocked(t, rdb) == 0 && t.Context().Err() == nil {
			time.Sleep(time.Millisecond) // polling
		}
		time.Sleep(2 * lull) // it is to be waited for
		rdb.LPush(t.Context(), pendingList, "task")
	}()
	if task, times, err := asks(t, rdb, hook); task != "task" || times != 2 || err != nil {
		t.Errorf("got %v, asked %d times, error %v", task, times, err)
	}
	if !hook.supplies[pendingList].lull {
		t.Error("nobody is told that the task was waited for")
	}
}

// blocked is how many clients wait in a blocking command.
func blocked(t *testing.T, rdb *redis.Client) int {
	t.Helper()
	text, err := rdb.Info(t.Context(), "clients").Result()
	ok(t, err)
	_, rest, _ := strings.Cut(text, "blocked_clients:")
	digits, _, _ := strings.Cut(rest, "\r")
	n, err := strconv.Atoi(digits)
	ok(t, err)
	return n
}

// BLMOVE looks at what arrives by moving it onto its own place.
func TestTheWaitLeavesTheQueueAsItIs(t *testing.T) {
	rdb := redistest.Start(t).Client(t)
	ok(t, rdb.LPush(t.Context(), pendingList, "newer").Err())
	ok(t, rdb.RPush(t.Context(), pendingList, "older").Err())
	hook := wakeHook{rdb: rdb, stop: make(chan struct{})}
	paused := redis.NewCmd(t.Context(), "get", "nothing")
	if err := hook.await(t.Context(), paused, pendingList); !errors.Is(err, redis.Nil) {
		t.Errorf("error %v of a queue that has elements and gives none", err)
	}
	if list := rdb.LRange(t.Context(), pendingList, 0, -1).Val(); len(list) != 2 || list[1] != "older" {
		t.Errorf("the wait changed the queue: %v", list)
	}
}

// asynq reckons a task's lease of 30 s from before it asks for one. A dequeue that was held
// back for longer would take a task whose lease is over: asynq gives it up as it begins,
// and runs it again a minute later.
func TestADequeueIsHeldBackForLessThanALease(t *testing.T) {
	t.Parallel()
	rdb := redistest.Start(t).Client(t)
	began := time.Now()
	_, _, err := asks(t, rdb, wakeHook{rdb: rdb, stop: make(chan struct{})})
	if held := time.Since(began); !errors.Is(err, redis.Nil) || held < 10*time.Second || held > 25*time.Second {
		t.Errorf("held back for %s, %v", held, err)
	}
}

func TestAnEmptyDequeueStaysEmptyWhenTheWorkerStops(t *testing.T) {
	rdb := redistest.Start(t).Client(t)
	stopped := make(chan struct{})
	hook := wakeHook{rdb: rdb, stop: stopped}
	asked := make(chan error)
	go func() {
		_, _, err := asks(t, rdb, hook)
		asked <- err
	}()
	// It blocks longer than one BLMOVE does: asynq would sleep after an answer.
	blocks := func() int64 { return commandCalls(t, rdb, "blmove") }
	for end := time.Now().Add(10 * time.Second); blocks() < 2; {
		if time.Now().After(end) {
			t.Fatal("nothing arrived, and the hook has not blocked a second time")
		}
		time.Sleep(20 * time.Millisecond) // polling
	}
	close(stopped)
	if err := <-asked; !errors.Is(err, redis.Nil) {
		t.Errorf("nothing arrived and the worker stopped: %v", err)
	}
	if _, times, err := asks(t, rdb, hook); times != 1 || !errors.Is(err, redis.Nil) {
		t.Errorf("a worker that stops asked %d times, %v", times, err)
	}
}

// commandCalls is how often a command was carried out.
func commandCalls(t *testing.T, rdb *redis.Client, name string) int64 {
	t.Helper()
	text, err := rdb.Info(t.Context(), "commandstats").Result()
	ok(t, err)
	_, rest, found := strings.Cut(text, "cmdstat_"+name+":calls=")
	if !found {
		return 0
	}
	digits, _, _ := strings.Cut(rest, ",")
	n, err := strconv.ParseInt(digits, 10, 64)
	ok(t, err)
	return n
}

// failing is Redis away for the first tries of an acknowledgement.
func failing(times int, err error) (redis.ProcessHook, *int) {
	tries := 0
	return func(context.Context, redis.Cmder) error {
		if tries++; tries <= times {
			return err
		}
		return nil
	}, &tries
}

func ackCmd(ctx context.Context) redis.Cmder {
	return redis.NewCmd(ctx, "evalsha", "sha", 3, "asynq:{q}:active", "asynq:{q}:lease", "asynq:{q}:t:1", "id")
}

func TestAnAcknowledgementIsRepeatedUntilItIsWritten(t *testing.T) {
	away := &net.OpError{Op: "dial", Err: io.EOF}
	for name, c := range map[string]struct {
		cmd   func(context.Context) redis.Cmder
		err   error
		tries int
	}{
		"Redis is away":           {ackCmd, away, 3},
		"a failover is under way": {ackCmd, redisError("READONLY You can't write against a read only replica."), 3},
		"the data set is loading": {ackCmd, redisError("LOADING Redis is loading the dataset in memory"), 3},
		"the script is not known": {ackCmd, redisError("NOSCRIPT No matching script."), 1},
		"the dequeue is not repeated": {func(ctx context.Context) redis.Cmder {
			return redis.NewCmd(ctx, "evalsha", "sha", 4, "asynq:{q}:pending", "asynq:{q}:paused", "asynq:{q}:active", "asynq:{q}:lease")
		}, away, 1},
	} {
		t.Run(name, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			next, tries := failing(2, c.err)
			err := ackHook{}.ProcessHook(next)(ctx, c.cmd(ctx))
			if *tries != c.tries || (err == nil) != (c.tries == 3) {
				t.Errorf("%d tries and error %v, want %d tries", *tries, err, c.tries)
			}
		})
	}
}

func TestAnAcknowledgementIsNotRepeatedPastItsLease(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	next, _ := failing(1<<30, io.EOF)
	if err := (ackHook{}).ProcessHook(next)(ctx, ackCmd(ctx)); !errors.Is(err, io.EOF) {
		t.Errorf("error %v, want the last one of Redis", err)
	}
}

// redisError is an answer of the server that is an error.
type redisError string

func (e redisError) Error() string { return string(e) }
func (redisError) RedisError()     {}
