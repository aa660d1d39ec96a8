package main

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/go-redis/redis_rate/v10"
	"golang.org/x/time/rate"

	"github.com/qfpay-worker/qfpay-worker/bench/rig"
	"github.com/qfpay-worker/qfpay-worker/qfpay"
	"github.com/qfpay-worker/qfpay-worker/qfpay/simulator"
)

// rival is another limiter: it waits until a call of a merchant may be sent, in one of several
// processes, and counts its requests to Redis.
type rival interface {
	wait(ctx context.Context, process, merchant int) error
	asked() int64
}

// gcra is redis_rate with both limits, one after the other, as in its README. If tuned, burst and
// rate together stay below the limit.
type gcra struct {
	limiter        *redis_rate.Limiter
	second, minute redis_rate.Limit
	calls          atomic.Int64
}

func (g *gcra) asked() int64 { return g.calls.Load() }

func (g *gcra) wait(ctx context.Context, _, merchant int) error {
	for _, limit := range []redis_rate.Limit{g.second, g.minute} {
		for {
			g.calls.Add(1)
			res, err := g.limiter.Allow(ctx, fmt.Sprint(merchant, limit.Period), limit)
			if err != nil {
				return err
			}
			if res.Allowed > 0 {
				break
			}
			if err := wait(ctx, max(res.RetryAfter, time.Millisecond)); err != nil {
				return err
			}
		}
	}
	return nil
}

// local is x/time/rate with a share of the limits for each process.
type local struct{ limiters [][]*rate.Limiter } // by process and merchant, both windows alternating

func (l *local) asked() int64 { return 0 }

func (l *local) wait(ctx context.Context, process, merchant int) error {
	for _, limiter := range l.limiters[process][2*merchant : 2*merchant+2] {
		if err := limiter.Wait(ctx); err != nil {
			return err
		}
	}
	return nil
}

const (
	rivalProcesses = 4
	rivalMerchants = 3
	rivalSlots     = 16 // orders in flight at once, in each process
)

func newLocal() *local {
	l := &local{}
	for range rivalProcesses {
		var of []*rate.Limiter
		for range rivalMerchants {
			of = append(of, rate.NewLimiter(secondLimit/rivalProcesses, secondLimit/rivalProcesses),
				rate.NewLimiter(rate.Limit(minuteLimit)/60/rivalProcesses, minuteLimit/rivalProcesses))
		}
		l.limiters = append(l.limiters, of)
	}
	return l
}

// sideBySide runs each limiter with three merchants: one with an earlier backlog, and two with
// later orders.
func sideBySide(ctx context.Context, r *rig.Rig, span time.Duration) ([]line, error) {
	names := []string{"redis_rate", "redis_rate, tuned safe", "x/time/rate", "qfpay-worker"}
	found := make([][]string, len(names))
	errs := make([]error, len(names))
	var all sync.WaitGroup
	for i, name := range names {
		all.Go(func() { found[i], errs[i] = contest(ctx, r, span, name) })
	}
	all.Wait()
	for _, err := range errs {
		if err != nil {
			return nil, err
		}
	}
	rows := []string{"calls in any 60 s, 1 s, at most", "answers of HTTP 429", "of the quota used, 1st merchant", "of the quota used, all", "Redis calls a call", "fairness (Jain)", "calls of others arrived after, p50"}
	var lines []line
	for k, row := range rows {
		beside := make([]string, 3)
		for i := range beside {
			beside[i] = found[i][k]
		}
		lines = append(lines, line{what: row, figure: found[3][k], beside: strings.Join(beside, " | ")})
	}
	lines = append(lines, line{what: "beside: " + strings.Join(names[:3], " | ")})
	return lines, nil
}

// contest runs one limiter.
func contest(ctx context.Context, r *rig.Rig, span time.Duration, name string) ([]string, error) {
	s, err := newQuotaEnv(ctx, r, rivalMerchants)
	if err != nil {
		return nil, err
	}
	n := int(span.Minutes()*minuteLimit) + 2*minuteLimit
	var began time.Time
	asked := int64(0)
	if name == "qfpay-worker" {
		asked, err = s.contestOwn(ctx, span, n)
	} else {
		asked, err = s.contestRival(ctx, span, n, newRival(name, s))
	}
	if err != nil {
		return nil, err
	}
	calls, err := s.calls(ctx)
	if err != nil {
		return nil, err
	}
	began = first(calls)
	var shares []float64
	var others []time.Duration
	minute, second, refused, total := 0, 0, 0, 0
	for i, account := range s.accounts {
		a := arrivals(calls[account.AppCode]).within(began, span)
		minute, second = max(minute, a.peak(time.Minute)), max(second, a.peak(time.Second))
		refused, total = refused+a.refused(), total+len(a)
		shares = append(shares, float64(len(a)-a.refused())/(span.Minutes()*minuteLimit))
		for k := 0; i > 0 && k < len(a); k++ {
			others = append(others, a[k].Time.Sub(began))
		}
	}
	if len(others) == 0 {
		others = []time.Duration{span}
	}
	return []string{
		fmt.Sprintf("%d, %d", minute, second), fmt.Sprint(refused), percent(shares[0]),
		percent((shares[0] + shares[1] + shares[2]) / 3), fmt.Sprintf("%.2f", float64(asked)/float64(max(total, 1))),
		fmt.Sprintf("%.2f", jain(shares)), quantile(others, .5).Round(time.Second).String(),
	}, nil
}

// first returns the arrival of the first call of all.
func first(calls map[string][]simulator.Call) time.Time {
	at := time.Now()
	for _, all := range calls {
		if len(all) > 0 && all[0].Time.Before(at) {
			at = all[0].Time
		}
	}
	return at
}

// jain returns Jain's fairness index: 1 if all shares are equal, and 1/n if one has everything.
func jain(x []float64) float64 {
	sum, squares := 0.0, 0.0
	for _, v := range x {
		sum, squares = sum+v, squares+v*v
	}
	if squares == 0 {
		return 0
	}
	return sum * sum / (float64(len(x)) * squares)
}

func newRival(name string, s *quotaEnv) rival {
	limiter := redis_rate.NewLimiter(s.redis.Client)
	switch name {
	case "x/time/rate":
		return newLocal()
	case "redis_rate":
		return &gcra{limiter: limiter, second: redis_rate.PerSecond(secondLimit), minute: redis_rate.PerMinute(minuteLimit)}
	default:
		return &gcra{limiter: limiter, second: redis_rate.Limit{Rate: 90, Burst: 10, Period: time.Second},
			minute: redis_rate.Limit{Rate: 360, Burst: 40, Period: time.Minute}}
	}
}

// contestRival simulates processes with a few goroutines each, which take orders from one queue,
// wait for the limiter, and send them, like a job queue with a limiter in its handler.
func (s *quotaEnv) contestRival(ctx context.Context, span time.Duration, n int, p rival) (int64, error) {
	ctx, cancel := context.WithTimeout(ctx, span)
	defer cancel()
	queue := make(chan int, rivalMerchants*n)
	for _, merchant := range slices.Concat(slices.Repeat([]int{0}, n), slices.Repeat([]int{1, 2}, n)) {
		queue <- merchant
	}
	var sent atomic.Int64
	var all sync.WaitGroup
	for process := range rivalProcesses {
		for range rivalSlots {
			all.Go(func() {
				for merchant := range queue {
					if p.wait(ctx, process, merchant) != nil {
						return
					}
					o := newOrder(fmt.Sprint("P", merchant), int(sent.Add(1))).WithDefaults(time.Now())
					client := &qfpay.Client{HTTP: http.DefaultClient, Merchant: qfpay.Merchant{BaseURL: s.gateway.URL,
						AppCode: s.accounts[merchant].AppCode, Key: s.accounts[merchant].Key}}
					client.CreatePayment(ctx, o.Order, nil) // the gateway's ledger has the result
				}
			})
		}
	}
	all.Wait()
	return p.asked(), nil
}

// contestOwn does the same with the worker.
func (s *quotaEnv) contestOwn(ctx context.Context, span time.Duration, n int) (int64, error) {
	if err := s.work(ctx, rivalProcesses); err != nil {
		return 0, err
	}
	watch, err := s.redis.Monitor()
	if err != nil {
		return 0, err
	}
	for merchant := range rivalMerchants {
		if err := s.enqueue(ctx, merchant, n, fmt.Sprint("P", merchant)); err != nil {
			return 0, err
		}
	}
	err = wait(ctx, span)
	return int64(limiterCalls(watch.Stop())), err
}
