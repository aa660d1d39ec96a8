package simulator

import (
	"slices"
	"time"
)

// exchange is one call that the gateway is processing.
type exchange struct {
	arrival
	call   *Call
	name   Fault
	before time.Duration // until it is carried out
	after  time.Duration // and from then until it is answered
	landed bool
	answer answer
}

// arrive records a request and draws its fault. All random values of a call are drawn here,
// always the same number, so that they depend only on the order of arrival.
func (g *Gateway) arrive(q request) *exchange {
	x := &exchange{arrival: arrival{request: q}}
	x.account, x.known = g.books.accounts[q.appCode]
	x.signed = x.known && q.unread == "" && q.signedBy(x.account.Key)

	g.mu.Lock()
	defer g.mu.Unlock()
	g.landDue()
	now := g.now()
	x.call = &Call{Time: now, AppCode: q.appCode, Endpoint: q.endpoint,
		OutTradeNo: q.params["out_trade_no"], PayType: g.books.payTypeOf(q), DigestOK: x.signed}
	slow := g.draw(x)
	if x.effect.unreachable {
		return x
	}
	g.calls = append(g.calls, x.call)
	if x.known {
		x.wait = g.throttle(q.appCode, now)
	}
	if x.wait > 0 { // refused before any fault
		x.name, x.effect = "", effect{}
	}
	x.call.Fault = x.name
	x.schedule(g.config, slow)
	x.due = now.Add(x.before)
	if x.before > 0 {
		g.underWay = append(g.underWay, x)
	}
	return x
}

// draw draws the fault of a call, and how slow it is, from 0 to 1.
func (g *Gateway) draw(x *exchange) (slow float64) {
	luck, slow := g.random.Float64(), g.random.Float64()
	if g.choose == nil {
		x.name, x.effect = draw(g.drawings, *x.call, luck)
		return slow
	}
	if name := g.choose(*x.call); name != "" {
		_, plain, _ := name.split()
		if e, _, err := plain.effect(); err == nil {
			x.name, x.effect = name, e
		}
	}
	return slow
}

// schedule sets when a call is processed, and when it is answered.
func (x *exchange) schedule(c Config, slow float64) {
	took := c.Latency.Min + time.Duration(slow*float64(c.Latency.Max-c.Latency.Min))
	x.before, x.after = took/2, took-took/2
	if x.effect.lateLanding {
		x.before += c.Late
	}
	if x.effect.lateAnswer {
		x.after += c.Late
	}
	if x.effect.paidFirst {
		x.after += headStart
	}
}

// throttle counts a call against the quota of its app_code, and returns for how long the
// quota is used up.
func (g *Gateway) throttle(appCode string, now time.Time) time.Duration {
	l := g.limits[appCode]
	if l == nil {
		l = &limits{}
		g.limits[appCode] = l
	}
	wait, _ := l.admit(now, g.perSecond, g.perMinute)
	return wait
}

// land processes a call, unless that was done before, and returns its answer.
func (g *Gateway) land(x *exchange) answer {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.landDue()
	if !x.landed {
		g.underWay = slices.DeleteFunc(g.underWay, func(y *exchange) bool { return y == x })
		g.carryOut(x)
	}
	return x.answer
}

// landDue processes the calls and the customers that are due, in order.
func (g *Gateway) landDue() {
	now := g.now()
	var due []*exchange
	g.underWay = slices.DeleteFunc(g.underWay, func(x *exchange) bool {
		if x.due.After(now) {
			return false
		}
		due = append(due, x)
		return true
	})
	slices.SortStableFunc(due, func(a, b *exchange) int { return a.due.Compare(b.due) })
	for _, x := range due {
		g.books.receive(x.due)
		g.carryOut(x)
	}
	g.books.receive(now)
}

// carryOut processes a call, and records its answer.
func (g *Gateway) carryOut(x *exchange) {
	x.landed = true
	a := g.books.decide(x.arrival).seal(x.arrival, g.config.SignResponses)
	x.call.Done, x.call.Stored, x.call.RespCd = a.done, a.stored, a.respcd
	g.past = g.past.hear(x.request, a)
	x.answer = g.onTheWay(x, a)
	x.call.HTTPStatus = x.answer.status
}

// onTheWay applies the faults that a signed answer meets on its way back.
func (g *Gateway) onTheWay(x *exchange, a answer) answer {
	if x.effect.forge != nil {
		a = x.effect.forge(x.request, a, g.past)
	}
	if x.effect.transfer != nil {
		a = x.effect.transfer(a)
	}
	a.cut = x.effect.cut
	a.at = x.due.Add(x.after)
	a.retryAfter = g.config.RetryAfter.header(a.status, x.wait, a.at)
	return a
}
