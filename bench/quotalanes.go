package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/qfpay-worker/qfpay-worker/bench/rig"
	"github.com/qfpay-worker/qfpay-worker/tasks"
)

// interactiveBeside enqueues one interactive order per second beside a bulk backlog that uses all
// of the quota.
func interactiveBeside(ctx context.Context, r *rig.Rig, span time.Duration) ([]line, error) {
	s, err := newQuotaEnv(ctx, r, 1)
	if err != nil {
		return nil, err
	}
	if err := s.work(ctx, 4); err != nil {
		return nil, err
	}
	if err := s.enqueue(ctx, 0, int(span.Minutes()*minuteLimit)+2*minuteLimit, "Q"); err != nil {
		return nil, err
	}
	if err := s.allQueued(ctx); err != nil {
		return nil, err
	}
	waits, err := s.singles(ctx, span, time.Second, func(o *tasks.Order) { o.Lane = tasks.Interactive })
	if err != nil {
		return nil, err
	}
	all, err := s.of(ctx, 0)
	if err != nil {
		return nil, err
	}
	used := float64(len(all.within(all[0].Time, span))) / (span.Minutes() * minuteLimit)
	return []line{
		{"enqueued → at the gateway, p50", ms(quantile(waits, .5)), "", "", noGoal},
		{"… p99", ms(quantile(waits, .99)), "", "≤ 300 ms", judge(quantile(waits, .99), 300*time.Millisecond, atMost)},
		{"of the quota used, both lanes", percent(used), "", "≥ 98 %", judge(used, .98, atLeast)},
		{"calls in any 60 s, at most", fmt.Sprint(all.peak(time.Minute)), "", "≤ 400", judge(all.peak(time.Minute), minuteLimit, atMost)},
		{"answers of HTTP 429", fmt.Sprint(all.refused()), "", "0", judge(all.refused(), 0, atMost)},
	}, nil
}

// singles enqueues single orders at about an interval, and returns how long each took to arrive
// at the gateway.
func (s *quotaEnv) singles(ctx context.Context, span, every time.Duration, change func(*tasks.Order)) ([]time.Duration, error) {
	sent := map[string]time.Time{}
	series := fmt.Sprintf("S%d", time.Now().UnixMilli())
	for end := time.Now().Add(span); time.Now().Before(end); {
		if err := wait(ctx, time.Duration(float64(every)*rand.ExpFloat64())); err != nil {
			return nil, err
		}
		o := newOrder(series, len(sent))
		o.Merchant = tasks.DefaultMerchant
		change(&o)
		sent[o.OutTradeNo] = time.Now()
		if _, err := s.producer().Enqueue(ctx, o); err != nil {
			return nil, err
		}
	}
	if err := wait(ctx, 10*time.Second); err != nil {
		return nil, err
	}
	calls, err := s.calls(ctx)
	if err != nil {
		return nil, err
	}
	var waits []time.Duration
	for _, all := range calls {
		for _, c := range all {
			if at, is := sent[c.OutTradeNo]; is && c.Endpoint == "payment" {
				waits = append(waits, c.Time.Sub(at))
				delete(sent, c.OutTradeNo)
			}
		}
	}
	if len(waits) == 0 {
		return nil, fmt.Errorf("none of %d single orders has arrived", len(sent))
	}
	for range sent { // orders that have not arrived have waited at least this long
		waits = append(waits, 10*time.Second)
	}
	return waits, nil
}

// manyMerchants compares how long a single order of one of 49 merchants takes to arrive,
// in bulk, on an idle system and beside another merchant's backlog.
func manyMerchants(ctx context.Context, r *rig.Rig, span time.Duration) ([]line, error) {
	const merchants, backlog = 50, 50_000
	s, err := newQuotaEnv(ctx, r, merchants)
	if err != nil {
		return nil, err
	}
	if err := s.work(ctx, 4); err != nil {
		return nil, err
	}
	another := func(o *tasks.Order) { o.Merchant = merchantName(1 + rand.N(merchants-1)) }
	idle, err := s.singles(ctx, span/2, 100*time.Millisecond, another)
	if err != nil {
		return nil, err
	}
	began := time.Now()
	if err := s.enqueue(ctx, 0, backlog, "B"); err != nil {
		return nil, err
	}
	enqueued := time.Since(began)
	during, err := s.singles(ctx, 5*time.Second, 100*time.Millisecond, another)
	if err != nil {
		return nil, err
	}
	if err := s.allQueued(ctx); err != nil {
		return nil, err
	}
	queued := time.Since(began)
	beside, err := s.singles(ctx, span/2, 100*time.Millisecond, another)
	if err != nil {
		return nil, err
	}
	touches, err := s.attempts(ctx, backlog)
	if err != nil {
		return nil, err
	}
	first, err := s.of(ctx, 0)
	if err != nil {
		return nil, err
	}
	ratio := float64(quantile(beside, .99)) / float64(quantile(idle, .99))
	return []line{
		{"single orders, idle: p50, p99", ms(quantile(idle, .5)) + ", " + ms(quantile(idle, .99)), "", "", noGoal},
		{"single orders, beside the backlog: p50, p99", ms(quantile(beside, .5)) + ", " + ms(quantile(beside, .99)), "", "", noGoal},
		{"p99, beside : idle", times(ratio), "", "≤ 2×", judge(ratio, 2, atMost)},
		{"while the backlog comes in: p50, p99", ms(quantile(during, .5)) + ", " + ms(quantile(during, .99)), "", "", noGoal},
		{"backlog enqueued, and all queued, after", enqueued.Round(time.Millisecond).String() + ", " + queued.Round(time.Millisecond).String(), "", "", noGoal},
		{"touches of an order in the backlog so far", fmt.Sprintf("%.2f", touches), "", "≤ 3", judge(touches, 3, atMost)},
		{"its merchant's calls in any 60 s, at most", fmt.Sprint(arrivals(first).peak(time.Minute)), "", "≤ 400", judge(arrivals(first).peak(time.Minute), minuteLimit, atMost)},
	}, nil
}

// thousandMerchants enqueues orders of many merchants at once, in the same two queues.
func thousandMerchants(ctx context.Context, r *rig.Rig, _ time.Duration) ([]line, error) {
	const merchants, each = 1000, 5
	s, err := newQuotaEnv(ctx, r, merchants)
	if err != nil {
		return nil, err
	}
	if err := s.work(ctx, 2); err != nil {
		return nil, err
	}
	began := time.Now()
	for i := range merchants {
		if err := s.enqueue(ctx, i, each, fmt.Sprint("M", i)); err != nil {
			return nil, err
		}
	}
	keys := tasks.Keys{Prefix: tasks.DefaultPrefix}
	for done := int64(0); done < merchants*each; {
		if err := wait(ctx, 100*time.Millisecond); err != nil {
			return nil, err
		}
		if done, err = s.redis.Client.XLen(ctx, keys.Results()).Result(); err != nil {
			return nil, err
		}
		if time.Since(began) > 5*time.Minute {
			return nil, fmt.Errorf("%d results of %d after five minutes", done, merchants*each)
		}
	}
	took := time.Since(began)
	settled, err := s.settled(ctx)
	if err != nil {
		return nil, err
	}
	rss, err := s.workers[0].RSS()
	if err != nil {
		return nil, err
	}
	return []line{
		{"orders, all with their results after", fmt.Sprintf("%d, %s", len(settled), took.Round(100*time.Millisecond)), "", "", noGoal},
		{"attempts per order, average", fmt.Sprintf("%.2f", touched(settled)), "", "≤ 3", judge(touched(settled), 3, atMost)},
		{"memory of a worker", fmt.Sprintf("%d MB", rss>>20), "", "", noGoal},
	}, nil
}

// allQueued waits until every bulk task has been processed once. The remaining orders then wait
// in the queue of the limiter.
func (s *quotaEnv) allQueued(ctx context.Context) error {
	for pending := int64(1); pending > 0; {
		if err := wait(ctx, 100*time.Millisecond); err != nil {
			return err
		}
		var err error
		if pending, err = s.redis.Client.LLen(ctx, "asynq:{qfpay:bulk}:pending").Result(); err != nil {
			return err
		}
	}
	return nil
}

// attempts returns the average number of attempts per order of the backlog, including orders
// that still wait.
func (s *quotaEnv) attempts(ctx context.Context, n int) (float64, error) {
	sum := 0
	keys := tasks.Keys{Prefix: tasks.DefaultPrefix}
	for i := 0; i < n; i += 10 {
		o := newOrder("B", i)
		o.Merchant = tasks.DefaultMerchant
		k, err := s.redis.Client.HGet(ctx, keys.Order(o.WithDefaults(time.Now()).ID()), "attempts").Int()
		if err != nil {
			return 0, err
		}
		sum += k
	}
	return float64(sum) / float64((n+9)/10), nil
}

// halved makes the gateway allow half of the minute limit for a while.
func halved(ctx context.Context, r *rig.Rig, span time.Duration) ([]line, error) {
	s, err := newQuotaEnv(ctx, r, 1)
	if err != nil {
		return nil, err
	}
	if err := s.work(ctx, 4); err != nil {
		return nil, err
	}
	if err := s.enqueue(ctx, 0, 16*minuteLimit, "Q"); err != nil {
		return nil, err
	}
	steps := []struct {
		minutes, limit int
	}{{1, minuteLimit}, {6, minuteLimit / 2}, {6, minuteLimit}}
	began := time.Now()
	for _, step := range steps {
		if err := s.limits(ctx, secondLimit, step.limit); err != nil {
			return nil, err
		}
		if err := wait(ctx, time.Duration(step.minutes)*time.Minute); err != nil {
			return nil, err
		}
	}
	all, err := s.of(ctx, 0)
	if err != nil {
		return nil, err
	}
	settled, err := s.settled(ctx)
	if err != nil {
		return nil, err
	}
	failed := 0
	for _, one := range settled {
		if one.Outcome != string(tasks.Created) {
			failed++
		}
	}
	var lines []line
	for minute := range 13 {
		of := all.within(began.Add(time.Duration(minute)*time.Minute), time.Minute)
		l := line{what: fmt.Sprintf("minute %d: calls taken, refused", minute+1), figure: fmt.Sprintf("%d, %d", len(of)-of.refused(), of.refused())}
		switch {
		case minute >= 3 && minute < 7:
			l.goal, l.verdict = "≤ 3 refused", judge(of.refused(), 3, atMost)
		case minute == 12:
			l.goal, l.verdict = "≥ 98 % of 400", judge(len(of)-of.refused(), minuteLimit*98/100, atLeast)
		}
		lines = append(lines, l)
	}
	return append(lines, line{"orders that failed", fmt.Sprint(failed), "", "0", judge(failed, 0, atMost)}), nil
}
