package e2e

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/hibiken/asynq"

	"github.com/qfpay-worker/qfpay-worker/tasks"
)

// audit collects the books.
func (c *chaos) audit() audit {
	c.t.Helper()
	a := audit{
		results:  results(c.t, c.server),
		ledger:   c.gateway.orders(c.t),
		due:      c.rdb.ZCard(c.t.Context(), keys.Due()).Val(),
		archived: c.queued(archived),
	}
	for _, o := range c.orders {
		a.orders = append(a.orders, wantedOf(o))
	}
	return a
}

// queued adds up what asynq says of its queues.
func (c *chaos) queued(count func(*asynq.QueueInfo) int) int {
	c.t.Helper()
	inspector := asynq.NewInspectorFromRedisClient(c.rdb)
	names, err := inspector.Queues()
	if err != nil {
		c.t.Fatal(err)
	}
	sum := 0
	for _, name := range names {
		info, err := inspector.GetQueueInfo(name)
		if err != nil {
			c.t.Fatal(err)
		}
		sum += count(info)
	}
	return sum
}

func archived(q *asynq.QueueInfo) int { return q.Archived }
func held(q *asynq.QueueInfo) int     { return q.Size }

// report fails the test with what was found, and the history of the first few orders
// concerned.
func (c *chaos) report(found []violation) {
	c.t.Helper()
	var told []string
	for i, v := range found {
		if i < 50 {
			c.t.Error(v)
		}
		if v.outTradeNo != "" && !slices.Contains(told, v.outTradeNo) && len(told) < 5 {
			told = append(told, v.outTradeNo)
			c.t.Log(c.history(v.outTradeNo))
		}
	}
	if len(found) > 50 {
		c.t.Errorf("and %d more", len(found)-50)
	}
}

// history is all that is known of one order: the evidence of a violation.
func (c *chaos) history(outTradeNo string) string {
	c.t.Helper()
	var text strings.Builder
	say := func(what string, v any) {
		line, err := json.Marshal(v)
		fmt.Fprintf(&text, "  %s %s", what, line)
		if err != nil {
			fmt.Fprint(&text, err)
		}
		text.WriteByte('\n')
	}
	fmt.Fprintf(&text, "history of %s\n", outTradeNo)
	say("journal", c.rdb.HGetAll(c.t.Context(), keys.Order(tasks.DefaultMerchant+":"+outTradeNo)).Val())
	for _, r := range results(c.t, c.server) {
		if r.OutTradeNo == outTradeNo {
			say("result", r)
		}
	}
	for _, o := range c.gateway.orders(c.t) {
		if ordered(o.OutTradeNo) == outTradeNo {
			say("ledger", o)
		}
	}
	for _, call := range c.gateway.calls(c.t) {
		if ordered(call.OutTradeNo) == outTradeNo {
			say("call", call)
		}
	}
	for _, line := range c.fleet.linesAbout(outTradeNo) {
		fmt.Fprintf(&text, "  log %s\n", line)
	}
	return text.String()
}
