package batches

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/qfpay-worker/qfpay-worker/internal/redisserver"
	"github.com/qfpay-worker/qfpay-worker/tasks"
	"github.com/qfpay-worker/qfpay-worker/worker/internal/journal"
	"github.com/qfpay-worker/qfpay-worker/worker/internal/ratelimit"
	"github.com/qfpay-worker/qfpay-worker/worker/internal/redisscript"
	"github.com/qfpay-worker/qfpay-worker/worker/internal/timing"
)

// Waits are orders without a result, by lane.
type Waits struct {
	Interactive int `json:"interactive"`
	Bulk        int `json:"bulk"`
}

// Backlog is what waits for the quotas of some merchants, as of one moment.
type Backlog struct {
	now    time.Time                // on Redis's clock
	quotas map[string]journal.Quota // of the merchants that running workers have
	due    map[string]dueOrders     // by merchant
	calls  map[string]calls         // by app_code
}

// dueOrders are the orders of a merchant that are in due.
type dueOrders struct {
	soon  int // due within a minute
	later int // the others: in a wait queue of the limiter, or put off
}

// calls are the calls of an app_code, past and to come.
type calls struct {
	Waits               // orders in its wait queues
	log   ratelimit.Log // of its limiter
}

// Backlog reads what waits for the quotas of these merchants. It walks due, a thousand orders at a time;
// its memory grows with the merchants that workers have, not with the orders.
func (r *Reader) Backlog(ctx context.Context, merchants []string) (Backlog, error) {
	b := Backlog{due: map[string]dueOrders{}, calls: map[string]calls{}}
	if err := r.quotas(ctx, &b); err != nil {
		return b, fmt.Errorf("backlog: %w", err)
	}
	of := map[string]bool{}
	for _, name := range merchants {
		of[name] = true
		if q, known := b.quotas[name]; known {
			b.calls[q.AppCode] = calls{}
		}
	}
	for name, q := range b.quotas { // merchants with the same app_code share its quota
		if _, shares := b.calls[q.AppCode]; shares {
			of[name] = true
		}
	}
	if err := r.calls(ctx, &b); err != nil {
		return b, fmt.Errorf("backlog: %w", err)
	}
	soon := float64(b.now.Add(timing.QueueGrace).UnixMilli())
	err := redisserver.Walk(func(cursor uint64) ([]string, uint64, error) {
		return r.rdb.ZScan(ctx, r.keys.Due(), cursor, "", scanned).Result()
	}, func(found []string) error {
		for n := 0; n+1 < len(found); n += 2 { // members and scores by turns
			merchant, _, _ := strings.Cut(found[n], ":")
			if !of[merchant] {
				continue
			}
			d := b.due[merchant]
			if at, err := strconv.ParseFloat(found[n+1], 64); err == nil && at > soon {
				d.later++
			} else {
				d.soon++
			}
			b.due[merchant] = d
		}
		return nil
	})
	if err != nil {
		return b, fmt.Errorf("backlog: %w", err)
	}
	return b, nil
}

// quotas reads the quotas that running workers have told.
func (r *Reader) quotas(ctx context.Context, b *Backlog) error {
	answer, err := quotasScript.Run(ctx, r.rdb, []string{r.keys.Merchants(), r.keys.Quotas()}).Slice()
	if err != nil {
		return err
	}
	words := redisscript.Texts(answer)
	ms, err := strconv.ParseInt(words[0], 10, 64)
	if err != nil || len(words)%2 == 0 {
		return fmt.Errorf("quotas.lua answered %q", words)
	}
	b.now, b.quotas = time.UnixMilli(ms).UTC(), map[string]journal.Quota{}
	for n := 1; n < len(words); n += 2 {
		if q, is := journal.ParseQuota(words[n+1]); is {
			b.quotas[words[n]] = q
		}
	}
	return nil
}

// calls reads the wait queues of the app_codes, and their calls of the last minute.
func (r *Reader) calls(ctx context.Context, b *Backlog) error {
	for appCode := range b.calls {
		waiting, err := ratelimit.ReadWaiting(ctx, r.rdb, r.keys, appCode, b.now)
		if err != nil {
			return err
		}
		b.calls[appCode] = calls{log: waiting.Log, Waits: Waits{
			Interactive: waiting.Orders[tasks.Interactive], Bulk: waiting.Orders[tasks.Bulk]}}
	}
	return nil
}
