package probe

import (
	"slices"
	"time"

	"github.com/qfpay-worker/qfpay-worker/qfpay"
)

// close closes what may stand, and so finds out what closes an order. The youngest come first, so
// that it is known of them too.
func (p planner) close() *step {
	for _, o := range slices.Backward(p.orders) {
		if s := p.closing(o); s != nil {
			return s
		}
	}
	return p.toClose()
}

// closing returns the next step to close an order: a query, the close, queries until it shows.
func (p planner) closing(o *order) *step {
	if !p.mayStand(o) {
		return nil
	}
	since := p.began
	run := o.since(p.began)
	if i := lastClosing(run); i >= 0 {
		c := run[i]
		since = c.end()
		if c.Verdict != Refused {
			if s := p.look(o, since, func(q Observation) bool { return o.died(c, q) != nil }); s != nil {
				return s
			}
		}
	}
	way := p.way(o)
	ask := &step{event: Query, order: o, sign: p.signFor(o)}
	queries := p.queriesSince(o, since)
	n := len(queries)
	switch {
	case way == "" && p.stay && p.leftYoung() && p.now.Before(p.ageing(o)):
		ask.after = p.ageing(o)
		return ask
	case way == "" && n > 0:
		return nil
	case n == 0:
		return ask
	}
	last := queries[n-1]
	stands := showsUnpaid(last)
	missing := len(slices.DeleteFunc(queries, showsUnpaid))
	switch {
	case stands && p.now.Sub(last.end()) <= freshness:
		return &step{event: way, order: o, sign: p.signFor(o)}
	case last.Verdict == Done && len(last.Rows) > 0 && !stands || missing >= maxQueries:
		return nil
	case !stands && last.Verdict == Done && o.first().Verdict == Refused:
		ask.after = o.first().end().Add(p.settling())
	case !stands:
		ask.after = last.end().Add(min(distance(missing), 8*time.Second))
	}
	return ask
}

func showsUnpaid(q Observation) bool {
	return q.Verdict == Done && standingOf(q.Rows) == qfpay.Unpaid.String()
}

func (p planner) queriesSince(o *order, t time.Time) (all []Observation) {
	for _, q := range o.since(t) {
		if q.Event == Query {
			all = append(all, q)
		}
	}
	return all
}

// ageing is when an order is no longer young.
func (p planner) ageing(o *order) time.Time { return o.sent.Add(youngAge + youngMargin) }

func (p planner) young(o *order) bool { return p.now.Before(o.sent.Add(youngAge)) }

// ways returns the ways to close an order, the documented one first.
func (w *wallet) ways() []Event {
	if w.payType == qfpay.WeChat {
		return []Event{Close, Reversal}
	}
	return []Event{Reversal, Close}
}

// way returns the way to try next on an order, or "" if it is left to run out. A way of which
// nothing is known comes first, so that each is found out. If a way was refused while orders were
// young, the last order is kept until it is older.
func (p planner) way(o *order) Event {
	run := o.since(p.began)
	if len(o.syssns()) > 1 && slices.ContainsFunc(run, func(c Observation) bool { return c.Event.closing() && c.Verdict == Done }) {
		return "" // which of the orders under the number the next close would mean is not certain
	}
	ways := p.ways()
	slices.SortStableFunc(ways, func(a, b Event) int { return len(p.closed(a).works) - len(p.closed(b).works) })
	for _, e := range ways {
		var calls []Observation
		for _, c := range run {
			if c.Event == e {
				calls = append(calls, c)
			}
		}
		_, refused := alike(calls, func(Observation) bool { return true })
		facts := p.closed(e)
		switch {
		case refused, len(calls) >= maxClosing, slices.ContainsFunc(calls, func(c Observation) bool { return c.Verdict == Done }):
		case facts.refusedAt(p.young(o)), len(facts.idle) > 1 && len(facts.works) == 0:
		case len(facts.works) > 0 && p.leftYoung() && p.keeper() == o:
		default:
			return e
		}
	}
	return ""
}

// leftYoung reports whether a way was refused for young orders, and older ones were not tried.
func (p planner) leftYoung() bool {
	return slices.ContainsFunc(p.ways(), func(e Event) bool { return p.closed(e).youngOnly() })
}

// keeper returns the order that is kept until it is older: the last one that stands.
func (p planner) keeper() *order {
	standing := p.standing()
	if len(standing) == 0 {
		return nil
	}
	return standing[len(standing)-1]
}

// standing returns the orders on which a way to close can be tried, now or when they are older.
func (p planner) standing() (all []*order) {
	for _, o := range p.orders {
		if o.created() && p.mayStand(o) && len(o.syssns()) == 1 && p.now.Before(o.expires().Add(-time.Minute)) {
			all = append(all, o)
		}
	}
	return all
}

// toClose makes one more order, if there are fewer to close than ways of which something is open.
func (p planner) toClose() *step {
	open, made := 0, 0
	for _, e := range p.ways() {
		if f := p.closed(e); !f.known() || f.youngOnly() {
			open++
		}
	}
	creates := p.thisRun(p.creates(ToClose, ""))
	for _, c := range creates {
		if c.Verdict == Done {
			made++
		}
	}
	if p.sign() == "" || len(p.standing()) >= open || made >= maxToClose || p.tries(creates) >= maxCreates {
		return nil
	}
	return &step{event: Create, trial: ToClose, sign: p.sign()}
}
