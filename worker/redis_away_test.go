package worker

import (
	"context"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/hibiken/asynq"
	"github.com/redis/go-redis/v9"

	"github.com/qfpay-worker/qfpay-worker/internal/redistest"
	"github.com/qfpay-worker/qfpay-worker/tasks"
	"github.com/qfpay-worker/qfpay-worker/worker/internal/timing"
)

// onceEach checks that the stream has one entry for each result, all created.
func (r *rig) onceEach(results map[string]tasks.Result) {
	r.t.Helper()
	if n := r.rdb.XLen(r.t.Context(), r.keys.Results()).Val(); n != int64(len(results)) {
		r.t.Errorf("%d entries for %d orders", n, len(results))
	}
	for no, res := range results {
		if res.Outcome != string(tasks.Created) {
			r.t.Errorf("%s: %s (%s)", no, res.Outcome, res.Reason)
		}
	}
}

// queue is what asynq knows of the bulk queue.
func (r *rig) queue() *asynq.QueueInfo {
	r.t.Helper()
	info, err := asynq.NewInspectorFromRedisClient(r.rdb).GetQueueInfo(r.keys.Queue(tasks.Bulk))
	ok(r.t, err)
	return info
}

// faultPoint is a hook on the worker's clients. It delays every settle until all orders have
// come to it, then cuts the connection to Redis, and counts the runs that asynq starts.
type faultPoint struct {
	proxy  *redistest.Proxy
	orders int
	after  bool // cut when settle was answered, else before it is sent

	mu      sync.Mutex
	settled int
	cut     chan struct{}
	runs    int
}

// DialHook implements [redis.Hook].
func (*faultPoint) DialHook(next redis.DialHook) redis.DialHook {
	return func(ctx context.Context, n, a string) (net.Conn, error) { return next(ctx, n, a) }
}

// ProcessPipelineHook implements [redis.Hook].
func (*faultPoint) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return next
}

// scriptKeys returns the keys of an EVALSHA or EVAL, and nil for other commands.
func scriptKeys(cmd redis.Cmder) (keys []string) {
	args := cmd.Args()
	if cmd.Name() != "evalsha" && cmd.Name() != "eval" {
		return nil
	}
	for _, key := range args[3 : 3+args[2].(int)] {
		keys = append(keys, key.(string))
	}
	return keys
}

// ProcessHook implements [redis.Hook].
func (m *faultPoint) ProcessHook(next redis.ProcessHook) redis.ProcessHook {
	return func(ctx context.Context, cmd redis.Cmder) error {
		keys := scriptKeys(cmd)
		if len(keys) < 3 || !strings.HasSuffix(keys[2], ":results") {
			err := next(ctx, cmd)
			if err == nil && len(keys) == 4 && strings.HasSuffix(keys[0], ":pending") && strings.HasSuffix(keys[3], ":lease") {
				m.mu.Lock()
				m.runs++
				m.mu.Unlock()
			}
			return err
		}
		if m.after {
			err := next(ctx, cmd)
			if err == nil {
				m.together()
			}
			return err
		}
		m.together()
		return next(ctx, cmd)
	}
}

// together waits for the last of the orders, who cuts the connection.
func (m *faultPoint) together() {
	m.mu.Lock()
	if m.settled++; m.settled == m.orders {
		m.proxy.Cut()
		close(m.cut)
	}
	m.mu.Unlock()
	<-m.cut
}

// startThrough is start, with all connections through the moment's proxy.
func (r *rig) startThrough(m *faultPoint) {
	r.t.Helper()
	client := func() *redis.Client {
		rdb := redis.NewClient(&redis.Options{Addr: m.proxy.Addr, ReadTimeout: 5 * time.Second})
		rdb.AddHook(m)
		r.t.Cleanup(func() { rdb.Close() })
		return rdb
	}
	r.config.Redis, r.config.Queue, r.config.Blocking = client(), client(), client()
	r.oneByOne = true // a batch that is held up would hold up those behind it
	r.run()
}

// run runs a worker with the clients of the configuration until the test ends.
func (r *rig) run() {
	r.t.Helper()
	c := r.config
	c.times = &r.times
	w, err := New(c)
	ok(r.t, err)
	if r.oneByOne {
		w.handler.Journal.Scripts = w.config.Redis
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- w.Run(ctx) }()
	r.t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			r.t.Error(err)
		}
		w.Close()
	})
}

// Redis is cut off at the worst moment of every order in flight at once: when its
// result has been published and asynq is about to be told that its task is done;
// and when the QR code is there and its result is about to be published. When Redis
// is back, the tasks are done, no task has run twice, and nothing was asked again at
// the gateway. (asynq alone runs each task again a minute later.)
func TestRedis_AwayWhenOrdersSettleCausesNoSecondRun(t *testing.T) {
	t.Parallel()
	type outage struct {
		away  time.Duration
		times timing.Times
	}
	// The second one outlasts the orders' leases: other attempts could claim them, and would find the
	// QR codes lost.
	short := calmTimes()
	short.Call, short.Attempt, short.Lease = 3*time.Second, 4*time.Second, 5*time.Second
	outages := []outage{{time.Second, calmTimes()}, {6 * time.Second, short}}
	if *hard {
		outages = append(outages, outage{15 * time.Second, calmTimes()})
	}
	for _, o := range outages {
		for _, after := range []bool{true, false} {
			name := "before the result is published"
			if after {
				name = "when the result is published"
			}
			t.Run(o.away.String()+" "+name, func(t *testing.T) {
				t.Parallel()
				server := redistest.Start(t)
				r := newRigOn(t, server)
				r.times = o.times
				r.config.Concurrency = 8
				m := &faultPoint{proxy: redistest.StartProxy(t, "unix", server.Socket), orders: 8, after: after, cut: make(chan struct{})}
				r.startThrough(m)
				orders := r.enqueue(m.orders, nil)
				r.eventually("every order comes to its settle", func() bool {
					select {
					case <-m.cut:
						return true
					default:
						return false
					}
				})
				<-time.After(o.away) // as long as Redis is away: that is the test
				m.proxy.Mend()
				mended := time.Now()
				results := r.results(len(orders))
				r.agree(results)
				r.onceEach(results)
				// asynq alone leaves the tasks active until their leases have run out and more.
				r.eventually("asynq has nothing left to do", func() bool { return r.queue().Size == 0 })
				t.Logf("all done %s after Redis was back", time.Since(mended).Round(time.Millisecond))
				m.mu.Lock()
				defer m.mu.Unlock()
				if q := r.queue(); m.runs != len(orders) || q.ProcessedTotal != len(orders) || q.FailedTotal != 0 {
					t.Errorf("%d orders were handed out %d times; asynq counts %d runs, %d failed", len(orders), m.runs, q.ProcessedTotal, q.FailedTotal)
				}
				if calls := len(r.gateway.Calls()); calls != len(orders) {
					t.Errorf("%d calls at the gateway for %d orders", calls, len(orders))
				}
			})
		}
	}
}
