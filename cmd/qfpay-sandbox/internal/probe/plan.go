package probe

import (
	"slices"
	"time"

	"github.com/qfpay-worker/qfpay-worker/qfpay"
)

const (
	freshness = 5 * time.Second // a close follows a query that is no older

	maxCreates = 5  // of one trial in one run
	maxRepeats = 4  // of a number in one run
	maxClosing = 3  // of an order by one way in one run
	maxQueries = 10 // of an order before a close
	maxToClose = 2  // orders of ToClose in one run
)

// step is what to do next.
type step struct {
	event Event
	trial Trial
	order *order // nil: a new one
	sign  qfpay.SignType
	after time.Time // not before
}

// planner says what to do next about a wallet. It is a pure function of what was observed.
type planner struct {
	*wallet
	now      time.Time
	patience time.Duration // how long to wait for a query to show something
	stay     bool          // wait until orders are older than youngAge
}

// next returns the next step, or nil when this run has nothing more to do.
func (p planner) next() *step {
	for _, part := range []func() *step{p.confirm, p.plain, p.see, p.repeat, p.together, p.apart, p.close} {
		if s := part(); s != nil {
			return s
		}
	}
	return nil
}

// thisRun returns the observations of this run.
func (w *wallet) thisRun(all []Observation) []Observation {
	return slices.DeleteFunc(slices.Clone(all), func(o Observation) bool { return o.At.Before(w.began) })
}

// tries counts the creates of this run that were not throttled.
func (w *wallet) tries(all []Observation) (n int) {
	for _, o := range w.thisRun(all) {
		if o.Verdict != Throttled {
			n++
		}
	}
	return n
}

// plain sends a plain create, with SHA256 and then with MD5, if a question needs one. One run makes
// one such order.
func (p planner) plain() *step {
	if p.live() != nil || p.seen() && p.sign() != "" && p.repeated().known() {
		return nil
	}
	for _, sign := range p.hashes() {
		creates := p.thisRun(p.creates(Base, sign))
		if slices.ContainsFunc(creates, func(c Observation) bool { return c.Verdict == Done }) {
			return nil
		}
		refusal, refused := alike(creates, ofAccount)
		if refused && refusal.RespCd.RefusesSignature() {
			continue // with the other hash
		}
		if refused || p.tries(creates) >= maxCreates {
			return nil
		}
		return &step{event: Create, trial: Base, sign: sign}
	}
	return nil
}

// hashes returns the hashes to try, in this order.
func (p planner) hashes() []qfpay.SignType {
	if sign := p.sign(); sign != "" {
		return []qfpay.SignType{sign}
	}
	return []qfpay.SignType{qfpay.SHA256, qfpay.MD5}
}

// live returns a plain order that was created and may still be asked about, or nil.
func (p planner) live() *order {
	for _, o := range slices.Backward(p.orders) {
		if o.trial == Base && o.created() && p.mayStand(o) && p.now.Before(o.expires().Add(-time.Minute)) {
			return o
		}
	}
	return nil
}

// see queries the plain order until it is shown.
func (p planner) see() *step {
	if o := p.live(); o != nil && !o.shown() {
		return p.look(o, o.sent, func(q Observation) bool { return len(q.Rows) > 0 })
	}
	return nil
}

// look queries an order until a query that began at since or later shows what is wanted, at growing
// distances, for as long as patience lasts.
func (p planner) look(o *order, since time.Time, wanted func(Observation) bool) *step {
	if since.Before(p.began) {
		since = p.began
	}
	looks := 0
	for _, q := range o.since(since) {
		if q.Event != Query {
			continue
		}
		if q.Verdict == Done && wanted(q) {
			return nil
		}
		looks++
	}
	if looks > 0 && distance(looks-1) >= p.patience {
		return nil
	}
	after := since.Add(min(p.patience, distance(looks)))
	return &step{event: Query, order: o, sign: p.signFor(o), after: after}
}

// distance is how long after the first query the one after n others comes: 0, 0.5 s, 1.5 s, 3.5 s …
func distance(n int) time.Duration { return time.Second/2<<n - time.Second/2 }

// signFor returns the hash for calls about an order.
func (p planner) signFor(o *order) qfpay.SignType {
	if sign := p.sign(); sign != "" {
		return sign
	}
	return o.sign
}

// repeat sends the plain order again, and then queries how many there are. Where queries show orders
// late, it leaves that to the queries before a close, or to the next run.
func (p planner) repeat() *step {
	o := p.live()
	if o == nil || p.repeated().known() {
		return nil
	}
	repeats := p.thisRun(p.repeats(o))
	if n := len(repeats); n > 0 && p.settling() <= p.patience {
		last := repeats[n-1]
		if s := p.look(o, last.end().Add(p.settling()), func(Observation) bool { return true }); s != nil {
			return s
		}
	}
	if p.tries(repeats) >= maxRepeats || o.decided(repeats) {
		return nil
	}
	return &step{event: Create, trial: Repeat, order: o, sign: o.sign}
}

// confirm queries orders that were repeated some time ago, perhaps in an earlier run, if only that
// is missing.
func (p planner) confirm() *step {
	if p.repeated().known() {
		return nil
	}
	for _, o := range p.orders {
		repeats := p.repeats(o)
		if len(repeats) == 0 || !o.decided(repeats) {
			continue
		}
		from := repeats[len(repeats)-1].end().Add(p.settling())
		if p.began.After(from) {
			from = p.began
		}
		if !p.now.Before(from) && len(p.queriesSince(o, from)) == 0 {
			return &step{event: Query, order: o, sign: p.signFor(o)}
		}
	}
	return nil
}

// together asks all single questions with one order.
func (p planner) together() *step {
	if p.sign() == "" || !slices.ContainsFunc(singles, p.open) {
		return nil
	}
	if _, refused := alike(p.creates(Together, ""), aboutRequest); refused {
		return nil // apart
	}
	return p.try(Together)
}

// apart asks the single questions by themselves, when they were refused together.
func (p planner) apart() *step {
	if _, refused := alike(p.creates(Together, ""), aboutRequest); !refused {
		return nil
	}
	for _, t := range singles {
		if !p.open(t) {
			continue
		}
		if s := p.try(t); s != nil {
			return s
		}
	}
	return nil
}

// open reports whether a single question has no answer.
func (p planner) open(t Trial) bool {
	if t == WithMD5 && p.sign() == qfpay.MD5 {
		return false
	}
	for _, of := range []Trial{Together, t} {
		for _, o := range p.orders {
			if o.trial == of && p.made(o) && (o.shown() || p.lookFor(o) == nil) {
				return false
			}
		}
	}
	_, refused := alike(p.creates(t, ""), aboutRequest)
	return !refused
}

// lookFor queries an order until it is shown, unless this run has waited for another in vain.
func (p planner) lookFor(o *order) *step {
	if p.late() && p.live() != o {
		return nil
	}
	return p.look(o, o.sent, func(q Observation) bool { return len(q.Rows) > 0 })
}

// late reports whether no query has shown an order, however long it took.
func (p planner) late() bool {
	o := p.live()
	return o != nil && !p.seen() && p.see() == nil
}

// try sends a create for a trial, and queries it when it has succeeded.
func (p planner) try(t Trial) *step {
	for _, o := range p.orders {
		if o.trial == t && p.made(o) {
			return p.lookFor(o)
		}
	}
	if p.tries(p.creates(t, "")) >= maxCreates {
		return nil
	}
	sign := p.sign()
	if t.has(WithMD5) {
		sign = qfpay.MD5
	}
	return &step{event: Create, trial: t, sign: sign}
}
