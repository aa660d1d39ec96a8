package inspect

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/qfpay-worker/qfpay-worker/internal/redispipe"
	"github.com/qfpay-worker/qfpay-worker/worker/internal/journal"
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
	Waits      // orders in its wait queues
	Minute int // calls of the last minute
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

// calls reads the wait queues, and the calls of the last minute, of the app_codes.
func (i *Inspector) calls(ctx context.Context, b *Backlog) error {
	pipe := i.rdb.Pipeline()
	type replies struct {
		queued [4]*redis.IntCmd // in the sequence of the limiter: in doubt interactive and bulk, interactive, bulk
		minute *redis.IntCmd
	}
	of := map[string]replies{}
	for appCode := range b.Calls {
		var r replies
		for n := range r.queued {
			r.queued[n] = pipe.ZCard(ctx, fmt.Sprintf("%s:waiting:%d", i.keys.Calls(appCode), n))
		}
		r.minute = pipe.ZCount(ctx, i.keys.Calls(appCode), strconv.FormatInt(b.Now.Add(-time.Minute).UnixMicro(), 10), "+inf")
		of[appCode] = r
	}
	if err := redispipe.Exec(ctx, pipe); err != nil {
		return err
	}
	for appCode, r := range of {
		b.Calls[appCode] = Calls{Minute: int(r.minute.Val()), Waits: Waits{
			Interactive: int(r.queued[0].Val() + r.queued[2].Val()), Bulk: int(r.queued[1].Val() + r.queued[3].Val())}}
	}
	return nil
}
