package e2e

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/hibiken/asynq"

	"github.com/qfpay-worker/qfpay-worker/tasks"
)

// audit collects the state to check.
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
	c.auditLevers(&a)
	return a
}

// queued adds up a number over asynq's queues.
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

// report fails the test with the violations, and logs the history of the first few orders.
func (c *chaos) report(found []violation) {
	c.t.Helper()
	var reported []string
	for i, v := range found {
		if i < 50 {
			c.t.Error(v)
		}
		if v.outTradeNo != "" && !slices.Contains(reported, v.outTradeNo) && len(reported) < 5 {
			reported = append(reported, v.outTradeNo)
			c.t.Log(c.history(v.outTradeNo))
		}
	}
	if len(found) > 50 {
		c.t.Errorf("and %d more", len(found)-50)
	}
}

// history returns everything that is known about one order, as the evidence of a violation.
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

// drained waits until asynq has no tasks.
func (c *chaos) drained() {
	c.t.Helper()
	for end := time.Now().Add(3 * time.Minute); c.queued(held) > 0; {
		if time.Now().After(end) {
			c.t.Fatalf("asynq has tasks after 3 minutes: %s", c.left())
		}
		time.Sleep(100 * time.Millisecond) // the pause of a poll
	}
}

// left returns the content of asynq's queues, from its keys.
func (c *chaos) left() string {
	var all []string
	keys := c.rdb.Keys(c.t.Context(), "asynq:*").Val()
	for _, key := range keys {
		switch c.rdb.Type(c.t.Context(), key).Val() {
		case "list":
			all = append(all, fmt.Sprint(key, c.rdb.LRange(c.t.Context(), key, 0, 4).Val()))
		case "zset":
			all = append(all, fmt.Sprint(key, c.rdb.ZRangeWithScores(c.t.Context(), key, 0, 4).Val()))
		case "hash":
			if strings.Contains(key, ":t:") {
				all = append(all, fmt.Sprint(key, c.rdb.HGetAll(c.t.Context(), key).Val()))
			}
		}
	}
	return strings.Join(all[:min(len(all), 40)], "\n")
}
