package main

import (
	"context"
	"crypto/sha1"
	"encoding/hex"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/qfpay-worker/qfpay-worker/bench/rig"
	"github.com/qfpay-worker/qfpay-worker/tasks"
)

// quotaCmd measures whether QFPay's limits are respected and fully used.
type quotaCmd struct {
	Span time.Duration `default:"5m" help:"How long each run is."`
	Only string        `help:"Run only those whose name has this in it."`
}

// run is one measurement. It returns its figures as lines of the table.
type quotaRun struct {
	name  string
	alone bool // it needs the machine for itself
	run   func(ctx context.Context, r *rig.Rig, span time.Duration) ([]line, error)
}

var quotaRuns = []quotaRun{
	{name: "the whole quota, 4 workers", run: wholeQuota(4, 0)},
	{name: "the whole quota, 1 worker", run: wholeQuota(1, 0)},
	{name: "the whole quota, 16 workers", run: wholeQuota(16, 0)},
	{name: "the whole quota, 4 workers, one killed every 20 s", run: wholeQuota(4, 20*time.Second)},
	{name: "interactive beside a backlog in bulk", run: interactiveBeside},
	{name: "the gateway allows 200 a minute for a while", run: halved},
	{name: "limiters side by side", run: sideBySide},
	{name: "50 merchants, one with a backlog of 50 000", alone: true, run: manyMerchants},
	{name: "1 000 merchants, five orders each", alone: true, run: thousandMerchants},
}

// Run runs them: those that need little of the machine side by side, the others after
// them.
func (c *quotaCmd) Run(ctx context.Context) error {
	r, err := rig.New(ctx, "..")
	if err != nil {
		return err
	}
	defer r.Close()
	t := &table{out: os.Stdout}
	var (
		mu       sync.Mutex
		together sync.WaitGroup
		failed   error
	)
	one := func(q quotaRun) {
		lines, err := q.run(ctx, r, c.Span)
		mu.Lock()
		defer mu.Unlock()
		if err != nil {
			failed = fmt.Errorf("%s: %w", q.name, err)
			return
		}
		t.section(q.name, lines...)
	}
	chosen := slices.DeleteFunc(slices.Clone(quotaRuns), func(q quotaRun) bool { return !strings.Contains(q.name, c.Only) })
	for _, q := range chosen {
		if !q.alone {
			together.Go(func() { one(q) })
		}
	}
	together.Wait()
	for _, q := range chosen {
		if q.alone && failed == nil {
			one(q)
		}
	}
	t.close()
	return failed
}

// wholeQuota makes workers use all calls that one merchant's limits allow. If every is set, it
// kills one worker after another.
func wholeQuota(workers int, every time.Duration) func(context.Context, *rig.Rig, time.Duration) ([]line, error) {
	return func(ctx context.Context, r *rig.Rig, span time.Duration) ([]line, error) {
		s, err := newQuotaEnv(ctx, r, 1)
		if err != nil {
			return nil, err
		}
		if err := s.work(ctx, workers); err != nil {
			return nil, err
		}
		watch, err := s.redis.Monitor()
		if err != nil {
			return nil, err
		}
		if err := s.enqueue(ctx, 0, int(math.Ceil(span.Minutes()))*minuteLimit+minuteLimit/10, "Q"); err != nil {
			return nil, err
		}
		if err := s.killEvery(ctx, every, span); err != nil {
			return nil, err
		}
		asked := limiterCalls(watch.Stop())
		all, err := s.of(ctx, 0)
		if err != nil {
			return nil, err
		}
		settled, err := s.settled(ctx)
		if err != nil {
			return nil, err
		}
		return s.quotaLines(all, span, asked, settled), nil
	}
}

// killEvery kills a worker at every interval and starts another, until span is over.
func (s *quotaEnv) killEvery(ctx context.Context, every, span time.Duration) error {
	end := time.Now().Add(span)
	for i := 0; every > 0 && time.Now().Add(every).Before(end); i++ {
		if err := wait(ctx, every); err != nil {
			return err
		}
		victim := i % len(s.workers)
		s.workers[victim].Kill()
		s.workers = slices.Delete(s.workers, victim, victim+1)
		if err := s.work(ctx, 1); err != nil {
			return err
		}
	}
	return wait(ctx, time.Until(end))
}

func (s *quotaEnv) quotaLines(all arrivals, span time.Duration, asked int, settled []tasks.Result) []line {
	begun := all[0].Time
	used := float64(len(all.within(begun, span))) / (span.Minutes() * minuteLimit)
	perGrant := float64(asked) / float64(len(all))
	minute, second := all.peak(time.Minute), all.peak(time.Second)
	touches := touched(settled)
	return []line{
		{"calls in any 60 s, at most", fmt.Sprint(minute), "", "≤ 400", judge(minute, minuteLimit, atMost)},
		{"calls in any 1 s, at most", fmt.Sprint(second), "", "≤ 100", judge(second, secondLimit, atMost)},
		{"answers of HTTP 429", fmt.Sprint(all.refused()), "", "0", judge(all.refused(), 0, atMost)},
		{"of the quota used", percent(used), "", "≥ 98 %", judge(used, .98, atLeast)},
		{"Redis calls of the limiter for each grant", fmt.Sprintf("%.2f", perGrant), "", fmt.Sprint("≤ ", callsPerGrant), judge(perGrant, callsPerGrant, atMost)},
		{"attempts per order, average", fmt.Sprintf("%.2f", touches), "", "≤ 3", judge(touches, 3, atMost)},
	}
}

// settled returns all results.
func (s *quotaEnv) settled(ctx context.Context) ([]tasks.Result, error) {
	var all []tasks.Result
	reader := tasks.NewResults(s.redis.Client, tasks.Keys{Prefix: tasks.DefaultPrefix})
	for from := ""; ; {
		entries, err := reader.Read(ctx, from, 1000)
		if err != nil || len(entries) == 0 {
			return all, err
		}
		for _, e := range entries {
			all = append(all, e.Result)
		}
		from = entries[len(entries)-1].StreamID
	}
}

// touched returns the average number of attempts per order.
func touched(settled []tasks.Result) float64 {
	sum := 0
	for _, r := range settled {
		n, _ := strconv.Atoi(r.Attempts)
		sum += n
	}
	return float64(sum) / float64(len(settled))
}

// callsPerGrant is the goal for the limiter's calls to Redis. Each order asks once for a slot, and is then queued;
// dispatchers ask for several at a time. It was 1.5 while processes remembered that a minute was full, and did not ask: at
// 400 calls a minute nobody notices, and the rules were harder to read.
const callsPerGrant = 2.5

// limiterCalls returns how many of the commands were scripts of the limiter.
func limiterCalls(seen rig.Commands) int {
	limits := lua("limits")
	n := 0
	for _, name := range []string{"reserve", "dispatch", "pause"} {
		sum := sha1.Sum(append(slices.Clone(limits), lua(name)...))
		n += seen["evalsha "+hex.EncodeToString(sum[:])]
	}
	return n
}

// lua reads one of the worker's scripts.
func lua(name string) []byte {
	text, err := os.ReadFile(filepath.Join("..", "worker", "internal", "ratelimit", "lua", name+".lua"))
	if err != nil {
		panic(err) // the programs were built from this tree
	}
	return text
}
