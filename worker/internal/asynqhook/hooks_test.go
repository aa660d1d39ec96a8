package asynqhook

import (
	"context"
	"errors"
	"io"
	"net"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/hibiken/asynq"
	"github.com/redis/go-redis/v9"

	"github.com/qfpay-worker/qfpay-worker/internal/redistest"
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
func TestAsynq_HasTheScriptsThatWakeHookAndAckHookLookFor(t *testing.T) {
	t.Parallel()
	rdb := redistest.Start(t).Client(t)
	stop, done := make(chan struct{}), make(chan struct{})
	seen := &spy{}
	rdb.AddHook(ackHook{})
	rdb.AddHook(wakeHook{blocking: rdb, stop: stop})
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

// takes is what asynq's dequeue does, as far as it matters here.
var takes = redis.NewScript(`return redis.call("RPOPLPUSH", KEYS[1], KEYS[3])`)

const pendingQ = "asynq:{q}:pending"

// dequeueOf is a dequeue on a server that knows the script.
func dequeueOf(t *testing.T, rdb *redis.Client) *redis.Cmd {
	t.Helper()
	ok(t, takes.Load(t.Context(), rdb).Err())
	return redis.NewCmd(t.Context(), "evalsha", takes.Hash(), 4, pendingQ, "asynq:{q}:paused", "asynq:{q}:active", "asynq:{q}:lease")
}

// asks has the hook answer a dequeue that is empty the first time. It tells how often asynq's
// own question went to Redis.
func asks(ctx context.Context, hook wakeHook, dequeue *redis.Cmd) (times int, err error) {
	next := func(context.Context, redis.Cmder) error {
		times++
		return redis.Nil // which go-redis notes in the command only behind the hooks
	}
	err = hook.ProcessHook(next)(ctx, dequeue)
	return times, err
}

func TestWakeHook_AnswersAnEmptyDequeueWhenATaskArrives(t *testing.T) {
	t.Parallel()
	rdb := redistest.Start(t).Client(t)
	supplied := &Prefetcher{concurrency: 4}
	hook := wakeHook{blocking: rdb, stop: make(chan struct{}), prefetchers: map[string]*Prefetcher{pendingQ: supplied}}
	dequeue := dequeueOf(t, rdb)
	go func() {
		for commandCalls(t, rdb, "blmove") == 0 && t.Context().Err() == nil {
			time.Sleep(time.Millisecond) // polling
		}
		rdb.LPush(t.Context(), pendingQ, "older")
		rdb.LPush(t.Context(), pendingQ, "newer")
	}()
	if times, err := asks(t.Context(), hook, dequeue); times != 1 || err != nil || dequeue.Val() != "older" {
		t.Errorf("asked %d times, answered %v, %v", times, dequeue.Val(), err)
	}
	if supplied.delivered != 1 || supplied.wants() != 2 {
		t.Errorf("the prefetcher counts %d tasks delivered, and wants %d", supplied.delivered, supplied.next)
	}
	if list := rdb.LRange(t.Context(), pendingQ, 0, -1).Val(); len(list) > 1 || slices.Contains(list, "older") {
		t.Errorf("the queue is left with %v", list)
	}
}

// A queue that is paused has tasks and gives none: asynq must not be kept from its pause.
func TestWakeHook_KeepsADequeueEmptyWhenTheQueueGivesNone(t *testing.T) {
	t.Parallel()
	rdb := redistest.Start(t).Client(t)
	none := redis.NewScript(`return false`)
	ok(t, none.Load(t.Context(), rdb).Err())
	ok(t, rdb.LPush(t.Context(), pendingQ, "older", "newer").Err())
	dequeue := redis.NewCmd(t.Context(), "evalsha", none.Hash(), 4, pendingQ, "asynq:{q}:paused", "asynq:{q}:active", "asynq:{q}:lease")
	if _, err := asks(t.Context(), wakeHook{blocking: rdb, stop: make(chan struct{})}, dequeue); !errors.Is(err, redis.Nil) {
		t.Error(err)
	}
	if n := commandCalls(t, rdb, "blmove"); n != 1 {
		t.Errorf("blocked %d times, want once", n)
	}
	if list := rdb.LRange(t.Context(), pendingQ, 0, -1).Val(); !slices.Equal(list, []string{"newer", "older"}) {
		t.Errorf("the wait changed the queue: %v", list)
	}
}

// A server that does not know the script says so, and asynq gives it.
func TestWakeHook_TellsThatADelayedDequeueIsRefused(t *testing.T) {
	t.Parallel()
	rdb := redistest.Start(t).Client(t)
	ok(t, rdb.LPush(t.Context(), pendingQ, "task").Err())
	dequeue := redis.NewCmd(t.Context(), "evalsha", takes.Hash(), 4, pendingQ, "asynq:{q}:paused", "asynq:{q}:active", "asynq:{q}:lease")
	if _, err := asks(t.Context(), wakeHook{blocking: rdb, stop: make(chan struct{})}, dequeue); !redis.HasErrorPrefix(err, "NOSCRIPT") {
		t.Error(err)
	}
}

// A server that refuses new connections has given no task.
func TestWakeHook_TellsThatTheServerRefuses(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	refused := server.Refused(t)
	rdb := server.Client(t)
	dequeue := dequeueOf(t, rdb)
	if _, err := asks(t.Context(), wakeHook{blocking: refused, stop: make(chan struct{})}, dequeue); !redis.HasErrorPrefix(err, "WRONGPASS") {
		t.Errorf("error %v, answer %v", err, dequeue.Val())
	}
}

// asynq reckons a task's lease of 30 s from before it asks for one. A dequeue that was held
// back for longer would take a task whose lease is over: asynq gives it up as it begins,
// and runs it again a minute later.
// A proxy that ends idle connections ends every wait for a task. Whether Redis is away, asynq's next
// dequeue shows.
func TestWakeHook_TakesACutConnectionForAnEmptyQueue(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	proxy := redistest.StartProxy(t, "unix", server.Socket)
	proxy.CutIdle(50 * time.Millisecond)
	behind := redis.NewClient(&redis.Options{Addr: proxy.Addr, MaxRetries: -1})
	defer behind.Close()
	dequeue := dequeueOf(t, server.Client(t))
	_, err := asks(t.Context(), wakeHook{blocking: behind, stop: make(chan struct{})}, dequeue)
	if !errors.Is(err, redis.Nil) || !errors.Is(dequeue.Err(), redis.Nil) {
		t.Errorf("error %v, in the command %v", err, dequeue.Err())
	}
}

func TestWakeHook_DelaysADequeueForLessThanALease(t *testing.T) {
	t.Parallel()
	rdb := redistest.Start(t).Client(t)
	began := time.Now()
	times, err := asks(t.Context(), wakeHook{blocking: rdb, stop: make(chan struct{})}, dequeueOf(t, rdb))
	if held := time.Since(began); times != 1 || !errors.Is(err, redis.Nil) || held > 25*time.Second {
		t.Errorf("asked %d times, held back for %s, %v", times, held, err)
	}
}

func TestWakeHook_KeepsADequeueEmptyWhenTheWorkerStops(t *testing.T) {
	t.Parallel()
	rdb := redistest.Start(t).Client(t)
	stopped := make(chan struct{})
	hook, dequeue := wakeHook{blocking: rdb, stop: stopped}, dequeueOf(t, rdb)
	answered := make(chan error)
	go func() {
		_, err := asks(t.Context(), hook, dequeue)
		answered <- err
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
	if err := <-answered; !errors.Is(err, redis.Nil) {
		t.Errorf("nothing arrived and the worker stopped: %v", err)
	}
	ok(t, rdb.LPush(t.Context(), pendingQ, "task").Err())
	if _, err := asks(t.Context(), hook, dequeue); !errors.Is(err, redis.Nil) {
		t.Errorf("a worker that stops was answered: %v", err)
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

func TestAckHook_RepeatsAnAcknowledgementUntilItIsWritten(t *testing.T) {
	t.Parallel()
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
			t.Parallel()
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

func TestAckHook_DoesNotRepeatAnAcknowledgementPastItsLease(t *testing.T) {
	t.Parallel()
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

// An acknowledgement is repeated while the server says "not now", in every way it has
// of saying so.
func TestAckHook_RepeatsAnAcknowledgementWhileTheServerRefuses(t *testing.T) {
	t.Parallel()
	for _, refusal := range []string{
		"READONLY You can't write against a read only replica.",
		"LOADING Redis is loading the dataset in memory",
		"MASTERDOWN Link with MASTER is down and replica-serve-stale-data is set to 'no'.",
		"NOREPLICAS Not enough good replicas to write.",
		"CLUSTERDOWN Hash slot not served",
		"TRYAGAIN Multiple keys request during rehashing of slot",
		"OOM command not allowed when used memory > 'maxmemory'.",
		"MISCONF Errors writing to the AOF file: No space left on device",
	} {
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		next, tries := failing(1, redisError(refusal))
		if err := (ackHook{}).ProcessHook(next)(ctx, ackCmd(ctx)); err != nil || *tries != 2 {
			t.Errorf("%s: %d tries, %v", refusal, *tries, err)
		}
		cancel()
	}
}
