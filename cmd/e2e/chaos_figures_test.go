package e2e

import (
	"fmt"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/qfpay-worker/qfpay-worker/qfpay"
	"github.com/qfpay-worker/qfpay-worker/qfpay/simulator"
	"github.com/qfpay-worker/qfpay-worker/tasks"
)

// figures returns the table that is printed at the end of a run.
func (c *chaos) figures(found []violation) string {
	c.t.Helper()
	calls, published := c.gateway.calls(c.t), results(c.t, c.server)
	var text strings.Builder
	table := tabwriter.NewWriter(&text, 0, 0, 2, ' ', 0)
	row := func(name, format string, args ...any) {
		fmt.Fprintf(table, "%s\t%s\n", name, fmt.Sprintf(format, args...))
	}
	row("orders", "%d, %d a second; %g%% twice, %g%% not woken, %g%% urgent", c.plan.orders, c.rate, 100*c.twice, 100*c.unwoken, 100*c.urgent)
	row("workers", "%d processes of %s, an attack every %s: %d SIGKILLs, %d SIGSTOPs", len(c.fleet.slots), c.fleet.program, c.kill, c.kills, c.freezes)
	if l := c.levers; l != nil && !c.naive {
		row("levers", "%s; %d pauses", l.summary(), len(l.pauses))
	}
	row("faults", "up to %g%% of calls: %d of %d had one, of %d kinds", 100*c.faults, faulty(calls), len(calls), len(c.faultArgs()))
	row("elapsed", "%.1fs to the last result, %.0f orders a second", c.took.Seconds(), float64(c.plan.orders)/c.took.Seconds())
	row("calls per order", "%s", perOrder(calls, c.plan.orders))
	row("outcomes", "%s", outcomes(published))
	for _, reason := range unresolvedReasons(published) {
		row("unresolved", "%s", reason)
	}
	row("reissued", "%d", countIf(published, func(r tasks.Result) bool { return r.IssuedAs != r.OutTradeNo && r.Outcome == string(tasks.Created) }))
	if !c.naive {
		row("time to result", "%s", spans(timesToResult(published)))
	}
	row("left in asynq", "%d tasks, %d of them archived", c.queued(held), c.queued(archived))
	for _, rule := range auditRules {
		if n := countIf(found, func(v violation) bool { return v.rule == rule }); n > 0 {
			row("VIOLATED", "%s: %d", rule, n)
		}
	}
	row("violations", "%d", len(found))
	table.Flush()
	return text.String()
}

// summary returns the figures of a run without faults and attacks.
func (c *chaos) summary() string {
	c.t.Helper()
	published := results(c.t, c.server)
	return fmt.Sprintf("%d orders: %s; calls per order %s; time to result %s", len(c.orders),
		outcomes(published), perOrder(c.gateway.calls(c.t), len(c.orders)), spans(timesToResult(published)))
}

func countIf[T any](all []T, is func(T) bool) int {
	n := 0
	for _, one := range all {
		if is(one) {
			n++
		}
	}
	return n
}

func faulty(calls []simulator.Call) int {
	return countIf(calls, func(c simulator.Call) bool { return c.Fault != "" })
}

// perOrder returns the number of calls per order, by endpoint.
func perOrder(calls []simulator.Call, orders int) string {
	words := []string{fmt.Sprintf("%.3f:", float64(len(calls))/float64(orders))}
	for _, endpoint := range []string{"payment", "query", "close", "reversal"} {
		n := countIf(calls, func(c simulator.Call) bool { return c.Endpoint == endpoint })
		words = append(words, fmt.Sprintf("%s %.3f", endpoint, float64(n)/float64(orders)))
	}
	return strings.Join(words, " ")
}

func outcomes(published []tasks.Result) string {
	var words []string
	for _, outcome := range tasks.Outcomes() {
		words = append(words, fmt.Sprintf("%s %d", outcome,
			countIf(published, func(r tasks.Result) bool { return r.Outcome == string(outcome) })))
	}
	return strings.Join(words, ", ")
}

// unresolvedReasons counts the unresolved orders by reason, and how many of them have a pay type
// that can be closed.
func unresolvedReasons(published []tasks.Result) []string {
	all, closable := map[string]int{}, map[string]int{}
	for _, r := range published {
		if r.Outcome == string(tasks.Unresolved) {
			all[r.Reason]++
			if qfpay.PayType(r.PayType).Closable() {
				closable[r.Reason]++
			}
		}
	}
	var lines []string
	for reason, n := range all {
		lines = append(lines, fmt.Sprintf("%s: %d, of which %d of a pay type that can be closed", reason, n, closable[reason]))
	}
	slices.Sort(lines)
	return lines
}

// timesToResult returns the times from acceptance to result, both on Redis's clock.
func timesToResult(published []tasks.Result) []time.Duration {
	var all []time.Duration
	for _, r := range published {
		from, err1 := time.Parse(time.RFC3339, r.EnqueuedAt)
		to, err2 := time.Parse(time.RFC3339, r.SettledAt)
		if err1 == nil && err2 == nil {
			all = append(all, to.Sub(from))
		}
	}
	return all
}

// spans returns percentiles of times.
func spans(all []time.Duration) string {
	if len(all) == 0 {
		return "none"
	}
	slices.Sort(all)
	at := func(share float64) time.Duration { return all[int(share*float64(len(all)-1))].Round(time.Millisecond) }
	return fmt.Sprintf("p50 %s, p90 %s, p99 %s, max %s", at(0.5), at(0.9), at(0.99), at(1))
}
