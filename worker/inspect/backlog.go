package inspect

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"

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

// Quota is what QFPay allows an app_code, over all merchants that have it.
type Quota = journal.Quota

// Backlog is what waits for the quotas of some merchants, as of one moment.
type Backlog struct {
	Now    time.Time            // on Redis's clock
	Quotas map[string]Quota     // of the merchants that running workers have
	Due    map[string]DueOrders // by merchant
	Calls  map[string]Calls     // by app_code
}

// DueOrders are the orders of a merchant that are in due.
type DueOrders struct {
	Soon  int // due within a minute
	Later int // the others: in a wait queue of the limiter, or put off
}

// Calls are the calls of an app_code, past and to come.
type Calls struct {
	Waits               // orders in its wait queues
	Log   ratelimit.Log // of its limiter
}

// Backlog reads what waits for the quotas of these merchants. It walks due, a thousand orders at a time;
// its memory grows with the merchants that workers have, not with the orders.
func (i *Inspector) Backlog(ctx context.Context, merchants []string) (Backlog, error) {
	b := Backlog{Due: map[string]DueOrders{}, Calls: map[string]Calls{}}
	if err := i.quotas(ctx, &b); err != nil {
		return b, fmt.Errorf("backlog: %w", err)
	}
	of := map[string]bool{}
	for _, name := range merchants {
		of[name] = true
		if q, known := b.Quotas[name]; known {
			b.Calls[q.AppCode] = Calls{}
		}
	}
	for name, q := range b.Quotas { // merchants with the same app_code share its quota
		if _, shares := b.Calls[q.AppCode]; shares {
			of[name] = true
		}
	}
	if err := i.calls(ctx, &b); err != nil {
		return b, fmt.Errorf("backlog: %w", err)
	}
	soon := float64(b.Now.Add(timing.QueueGrace).UnixMilli())
	err := walk(func(cursor uint64) ([]string, uint64, error) {
		return i.rdb.ZScan(ctx, i.keys.Due(), cursor, "", scanned).Result()
	}, func(found []string) error {
		for n := 0; n+1 < len(found); n += 2 { // members and scores by turns
			merchant, _, _ := strings.Cut(found[n], ":")
			if !of[merchant] {
				continue
			}
			d := b.Due[merchant]
			if at, err := strconv.ParseFloat(found[n+1], 64); err == nil && at > soon {
				d.Later++
			} else {
				d.Soon++
			}
			b.Due[merchant] = d
		}
		return nil
	})
	if err != nil {
		return b, fmt.Errorf("backlog: %w", err)
	}
	return b, nil
}

// quotas reads the quotas that running workers have told.
func (i *Inspector) quotas(ctx context.Context, b *Backlog) error {
	answer, err := quotasScript.Run(ctx, i.rdb, []string{i.keys.Merchants(), i.keys.Quotas()}).Slice()
	if err != nil {
		return err
	}
	words := redisscript.Texts(answer)
	ms, err := strconv.ParseInt(words[0], 10, 64)
	if err != nil || len(words)%2 == 0 {
		return fmt.Errorf("quotas.lua answered %q", words)
	}
	b.Now, b.Quotas = time.UnixMilli(ms).UTC(), map[string]Quota{}
	for n := 1; n < len(words); n += 2 {
		if q, is := journal.ParseQuota(words[n+1]); is {
			b.Quotas[words[n]] = q
		}
	}
	return nil
}

// calls reads the wait queues of the app_codes, and their calls of the last minute.
func (i *Inspector) calls(ctx context.Context, b *Backlog) error {
	for appCode := range b.Calls {
		waiting, err := ratelimit.ReadWaiting(ctx, i.rdb, i.keys, appCode, b.Now)
		if err != nil {
			return err
		}
		b.Calls[appCode] = Calls{Log: waiting.Log, Waits: Waits{
			Interactive: waiting.Orders[tasks.Interactive], Bulk: waiting.Orders[tasks.Bulk]}}
	}
	return nil
}
