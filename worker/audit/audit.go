// Package audit checks that the journals, due, the streams and the counters of batches agree, for
// people. It works beside running workers and changes nothing.
//
// Start reading at [Run].
package audit

import (
	"context"
	"embed"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/redis/go-redis/v9"

	"github.com/qfpay-worker/qfpay-worker/internal/redisserver"
	"github.com/qfpay-worker/qfpay-worker/tasks"
	"github.com/qfpay-worker/qfpay-worker/worker/internal/redisscript"
	"github.com/qfpay-worker/qfpay-worker/worker/internal/timing"
	"github.com/qfpay-worker/qfpay-worker/worker/internal/wait"
)

//go:embed lua/*.lua
var luaFiles embed.FS

var auditScript = redisscript.Load(luaFiles, "audit")

// Violation is one order about which journal, due and the streams do not agree, or a batch whose counters
// are not those of its orders.
type Violation struct {
	ID      string // merchant:out_trade_no, the entry of the stream, or "batch " and its name
	Problem string
}

// Report counts what an audit has seen. Redis may return an order twice while it grows or
// shrinks its tables, so on a busy server the counts are a little too high.
type Report struct {
	Orders     int // journals
	Waiting    int // orders without a result
	Settled    int // orders with a result
	Trimmed    int // of these, results that were trimmed from the stream
	Results    int // entries of the stream
	Payments   int // entries of the payment stream
	Recounted  int // batches whose counters were recounted
	Moving     int // of these, those that changed meanwhile, so that nothing can be said about them
	Violations int
}

// auditBatch is how many orders one script reads: Redis does nothing else meanwhile.
const auditBatch = 100

// Run walks all orders and all results, and reports every violation of these rules:
//
//   - an order without a result is in due, and only such an order; none is put aside as damaged;
//   - an order's result is in the stream, unless the stream was trimmed since;
//   - a result in the stream is the one that its order has, or had before it was
//     re-opened;
//   - a published code is open and followed, or has one of paid, expired and closed, and its
//     event is in the payment stream, unless that was trimmed since;
//   - an event in the payment stream is the one of its kind that its code has;
//   - the counters of a batch are those of its orders.
//
// It changes nothing and may run beside workers: each order is read as of one moment, and
// an order that breaks a rule is read twice more before it is reported.
func Run(ctx context.Context, rdb redis.UniversalClient, keys tasks.Keys, report func(Violation)) (Report, error) {
	node, err := redisserver.ForKey(ctx, rdb, keys.Due()) // SCAN has no key: a Cluster client would send it anywhere
	if err != nil {
		return Report{}, err
	}
	a := &audit{keys: keys, node: node, suspects: map[string]string{}}
	for _, walk := range []func(context.Context) error{a.journals, a.due, a.checkAgain, a.aside, a.results, a.payments, a.batches} {
		if err := walk(ctx); err != nil {
			return a.Report, fmt.Errorf("audit: %w", err)
		}
	}
	for _, id := range slices.Sorted(maps.Keys(a.suspects)) {
		report(Violation{ID: id, Problem: a.suspects[id]})
	}
	a.Violations = len(a.suspects)
	return a.Report, nil
}

// audit is one audit in progress.
type audit struct {
	Report
	keys     tasks.Keys
	node     redis.UniversalClient
	suspects map[string]string // id → problem
}

// journals checks every order that has a journal.
func (a *audit) journals(ctx context.Context) error {
	prefix := a.keys.Order("")
	return redisserver.Walk(func(cursor uint64) ([]string, uint64, error) {
		return a.node.Scan(ctx, cursor, prefix+"*", auditBatch).Result()
	}, func(found []string) error {
		for n := range found {
			found[n] = strings.TrimPrefix(found[n], prefix)
		}
		return a.check(ctx, found, a.count)
	})
}

// due checks every order that is due.
func (a *audit) due(ctx context.Context) error {
	return redisserver.Walk(func(cursor uint64) ([]string, uint64, error) {
		return a.node.ZScan(ctx, a.keys.Due(), cursor, "", auditBatch).Result()
	}, func(found []string) error {
		var ids []string
		for n := 0; n < len(found); n += 2 { // members and scores by turns
			ids = append(ids, found[n])
		}
		return a.check(ctx, ids, func(auditRow) {})
	})
}

// aside reports every order that was put aside.
func (a *audit) aside(ctx context.Context) error {
	return redisserver.Walk(func(cursor uint64) ([]string, uint64, error) {
		return a.node.ZScan(ctx, a.keys.Damaged(), cursor, "", auditBatch).Result()
	}, func(found []string) error {
		for n := 0; n < len(found); n += 2 { // members and scores by turns
			a.suspects[found[n]] = "was put aside: its journal is damaged; mend it, then qfpay-worker order retry"
		}
		return nil
	})
}

// checkAgain checks the suspects twice more: a failover, or a read that is older than another
// client's write, is not a violation.
func (a *audit) checkAgain(ctx context.Context) error {
	for range 2 {
		ids := slices.Collect(maps.Keys(a.suspects))
		if len(ids) == 0 {
			return nil
		}
		if err := wait.Sleep(ctx, timing.AuditPause); err != nil {
			return err
		}
		clear(a.suspects)
		for batch := range slices.Chunk(ids, auditBatch) {
			if err := a.check(ctx, batch, func(auditRow) {}); err != nil {
				return err
			}
		}
	}
	return nil
}

func (a *audit) count(r auditRow) {
	a.Orders++
	switch {
	case r.state == "DONE":
		a.Settled++
	default:
		a.Waiting++
	}
	if r.trimmed() {
		a.Trimmed++
	}
}

// check reads orders, and notes those that break a rule.
func (a *audit) check(ctx context.Context, ids []string, each func(auditRow)) error {
	if len(ids) == 0 {
		return nil
	}
	keys, args := []string{a.keys.Due(), a.keys.Results(), a.keys.Payments()}, []any{a.keys.Batch("")}
	for _, id := range ids {
		merchant, _, _ := strings.Cut(id, ":")
		keys, args = append(keys, a.keys.Order(id), a.keys.Open(merchant)), append(args, id)
	}
	answer, err := auditScript.Run(ctx, a.node, keys, args...).Slice()
	if err != nil {
		return err
	}
	if len(answer) != len(ids)+2 {
		return fmt.Errorf("%d answers about %d orders", len(answer)-2, len(ids))
	}
	for n, id := range ids {
		row, ok := answer[n+2].([]any)
		if !ok || len(row) != 9 {
			return fmt.Errorf("unexpected answer %v", answer[n+2])
		}
		w := redisscript.Texts(row)
		r := auditRow{
			state: w[0], due: w[1] == "1", entry: auditEntry{w[2], w[3] == "1", fmt.Sprint(answer[0])},
			payment: w[4], paidBy: auditEntry{w[5], w[6] == "1", fmt.Sprint(answer[1])}, followed: w[7] == "1", uncounted: w[8],
		}
		if r.state == "RESERVED" {
			continue // the reserved number of another order's reissue
		}
		if problem := r.problem(); problem != "" {
			a.suspects[id] = problem
		}
		if r.state != "" {
			each(r)
		}
	}
	return nil
}
