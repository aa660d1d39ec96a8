package e2e

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/qfpay-worker/qfpay-worker/qfpay"
	"github.com/qfpay-worker/qfpay-worker/qfpay/simulator"
	"github.com/qfpay-worker/qfpay-worker/tasks"
)

// The promises about batches, cancellations and pauses.
const (
	ruleCancelled = "published as cancelled, but live at the gateway"
	ruleUnasked   = "cancelled, and nobody asked for it"
	ruleForgotten = "published after somebody asked to cancel it, and not to be closed"
	ruleClosed    = "what the journal says of its close is not so at the gateway"
	ruleBatch     = "the counters of a batch are not those of the books"
	rulePaused    = "created during a pause"
)

// closing is what the journal says of a published QR code that is to be closed.
type closing struct {
	asked  bool
	closed string // closed, paid, cannot_close, unclear; "": nothing yet
	waits  bool   // a worker looks at it again
}

// batchBook has the counters of a batch, and its orders.
type batchBook struct {
	name     string
	counters map[string]string
	orders   []string
}

// closingViolations checks an order that somebody asked to cancel and whose result says created. payable is its row in
// the ledger if a customer can pay it, or has paid it.
func (a audit) closingViolations(o wanted, payable *simulator.Order) (rule, what string) {
	c := a.closings[o.outTradeNo]
	if _, asked := a.cancels[o.outTradeNo]; asked && !c.asked {
		return ruleForgotten, "by " + a.cancels[o.outTradeNo]
	}
	state := "dead"
	if payable != nil {
		state = string(payable.State)
	}
	so := true
	switch c.closed {
	case "closed":
		so = payable == nil
	case "paid":
		so = payable != nil && !payable.Live()
	case "cannot_close":
		so = payable != nil && !qfpay.PayType(o.payType).Closable()
	case "":
		so = c.waits || !c.asked
	default:
		so = false // it is given up only after a day
	}
	if so {
		return "", ""
	}
	return ruleClosed, fmt.Sprintf("closed=%q, and at the gateway it is %s", c.closed, state)
}

// batchViolations compares the counters of the batches with the results, exactly.
func (a audit) batchViolations() (found []violation) {
	outcome := map[string]string{}
	for _, r := range a.results {
		outcome[r.OutTradeNo] = r.Outcome
	}
	for _, b := range a.batches {
		want := map[string]int{"accepted": len(b.orders), "waiting": 0}
		for _, o := range tasks.Outcomes() {
			want[string(o)] = 0
		}
		for _, number := range b.orders {
			if has := outcome[number]; has != "" {
				want[has]++
			} else {
				want["waiting"]++
			}
		}
		got := map[string]int{}
		for name := range want {
			got[name], _ = strconv.Atoi(b.counters[name])
		}
		for name, n := range b.counters {
			if strings.HasPrefix(name, "waiting:") { // by lane and merchant: gone when none waits
				got["waiting by lane"], _ = strconv.Atoi(n)
			}
		}
		if want["waiting"] > 0 { // some rule has found that already
			delete(got, "waiting by lane")
		}
		if !maps.Equal(got, want) {
			found = append(found, violation{ruleBatch, "", fmt.Sprintf("%s: %v, and the books have %v", b.name, got, want)})
		}
	}
	return found
}

// pauseViolations looks for creates that arrived during a pause, without those that were on their way when it began.
func (a audit) pauseViolations() (found []violation) {
	for _, c := range a.calls {
		if c.Endpoint != "payment" {
			continue
		}
		for _, p := range a.pauses {
			paused := p.payType == "" || p.payType == string(c.PayType)
			if after := c.Time.Sub(p.from); paused && after > a.onItsWay && c.Time.Before(p.to) {
				found = append(found, violation{rulePaused, ordered(c.OutTradeNo), fmt.Sprintf("%s after it began", after.Round(time.Millisecond))})
			}
		}
	}
	return found
}

// auditLevers adds to an audit what it needs to know of batches, cancellations and pauses.
func (c *chaos) auditLevers(a *audit) {
	c.t.Helper()
	ctx := c.t.Context()
	a.calls, a.onItsWay, a.closings = c.gateway.calls(c.t), c.onItsWay(), map[string]closing{}
	if c.levers != nil {
		a.cancels, a.pauses = c.levers.cancelled, c.levers.pauses
	}
	if c.levers != nil {
		a.unended = c.unended()
	}
	members := map[string][]string{}
	for _, o := range c.orders {
		h := c.rdb.HMGet(ctx, keys.Order(o.WithDefaults(time.Now()).ID()), "close_asked_at", "closed").Val()
		if len(h) == 2 && h[0] != nil {
			closed, _ := h[1].(string)
			waits := c.rdb.ZScore(ctx, keys.Closing(), o.WithDefaults(time.Now()).ID()).Err() == nil
			a.closings[o.OutTradeNo] = closing{true, closed, waits}
		}
		if o.Batch != "" {
			members[o.Batch] = append(members[o.Batch], o.OutTradeNo)
		}
	}
	if c.naive {
		return
	}
	for _, name := range slices.Sorted(maps.Keys(members)) {
		a.batches = append(a.batches, batchBook{name, c.rdb.HGetAll(ctx, keys.Batch(name)).Val(), members[name]})
	}
}
