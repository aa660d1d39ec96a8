package probe

import (
	"slices"
	"time"

	"github.com/qfpay-worker/qfpay-worker/qfpay"
)

const (
	expiredTime = 20               // minutes, of the codes of wallets that take it
	youngAge    = 5 * time.Minute  // WeChat Pay closes no younger order
	youngMargin = 10 * time.Second // and then some
)

// wallet is what was observed of one pay type.
type wallet struct {
	payType qfpay.PayType
	began   time.Time // of this run
	orders  []*order  // in the order in which they were sent
}

// order is what was observed of one order number.
type order struct {
	number  string
	trial   Trial
	sign    qfpay.SignType
	sent    time.Time
	payType qfpay.PayType
	intent  Observation   // the first Sent
	log     []Observation // without Sent
	queries []Observation // that were answered
}

// readWallet sorts the observations of a pay type.
func readWallet(log []Observation, p qfpay.PayType) *wallet {
	w := &wallet{payType: p}
	log = withoutWrongKeys(log)
	signed := signedShapes(log)
	for _, o := range log {
		if o.forged(signed) {
			o.Verdict, o.Rows = Unanswered, nil
		}
		switch {
		case o.Event == Begun:
			w.began = o.At
		case o.PayType != p:
		case o.Event == Sent && w.order(o.Number) == nil:
			w.orders = append(w.orders, &order{number: o.Number, trial: o.Trial, sign: o.Sign, sent: o.At, payType: p, intent: o})
		case o.Event == Sent:
		default:
			of := w.order(o.Number)
			if of == nil {
				continue
			}
			of.log = append(of.log, o)
			if o.Event == Query && o.Verdict == Done {
				of.queries = append(of.queries, o)
			}
		}
	}
	return w
}

// withoutWrongKeys takes the answers of each run but the last as not given, if all of them refuse the
// signature: they say nothing about QFPay, only that the key was wrong.
func withoutWrongKeys(log []Observation) []Observation {
	log = slices.Clone(log)
	began := 0
	for i, o := range log {
		if o.Event != Begun {
			continue
		}
		if run := log[began:i]; !slices.ContainsFunc(run, takesKey) {
			for j := range run {
				if run[j].RespCd.RefusesSignature() {
					run[j].Verdict = NotSent
				}
			}
		}
		began = i
	}
	return log
}

// takesKey reports whether QFPay's answer is one to a right signature.
func takesKey(o Observation) bool {
	return (o.Verdict == Done || o.Verdict == Refused) && !o.RespCd.RefusesSignature()
}

// shape is what QFPay may sign in a way of its own: the answers of an endpoint, done or refused, with
// and without a syssn.
type shape struct {
	event   Event
	verdict Verdict
	syssn   bool
}

func (o Observation) shape() shape { return shape{o.Event, o.Verdict, o.Syssn != ""} }

// signedShapes returns the shapes of answers that were signed right.
func signedShapes(log []Observation) map[shape]bool {
	shapes := map[shape]bool{}
	for i := range log {
		if log[i].Signature == qfpay.SignatureRight {
			shapes[log[i].shape()] = true
		}
	}
	return shapes
}

// forged reports whether an answer may come from somebody who has no key. Where QFPay signs answers
// of a shape, all others of it are doubtful.
func (o Observation) forged(signed map[shape]bool) bool {
	return o.Signature == qfpay.SignatureReflected || o.Signature != "" && o.Signature != qfpay.SignatureRight && signed[o.shape()]
}

func (w *wallet) order(number string) *order {
	i := slices.IndexFunc(w.orders, func(o *order) bool { return o.number == number })
	if i < 0 {
		return nil
	}
	return w.orders[i]
}

// creates returns the ends of the creates of a trial with a hash, or with any.
func (w *wallet) creates(t Trial, sign qfpay.SignType) (all []Observation) {
	for _, o := range w.orders {
		for _, c := range o.log {
			if c.Event == Create && c.Trial == t && (sign == "" || c.Sign == sign) {
				all = append(all, c)
			}
		}
	}
	return all
}

// sign returns the hash with which a plain create has succeeded, or "".
func (w *wallet) sign() qfpay.SignType {
	for _, t := range []Trial{Base, ToClose} {
		for _, c := range w.creates(t, "") {
			if c.Verdict == Done {
				return c.Sign
			}
		}
	}
	return ""
}

// created reports whether the create of the order has succeeded.
func (o *order) created() bool { return o.first().Verdict == Done }

// first returns the end of the first create.
func (o *order) first() Observation {
	i := slices.IndexFunc(o.log, func(c Observation) bool { return c.Event == Create })
	if i < 0 {
		return Observation{}
	}
	return o.log[i]
}

// since returns the observations of the order that began at a time or later.
func (o *order) since(t time.Time) []Observation {
	i := slices.IndexFunc(o.log, func(x Observation) bool { return !x.At.Before(t) })
	if i < 0 {
		return nil
	}
	return o.log[i:]
}

// life is how long the codes of the probe live: expired_time, or QFPay's default.
func life(p qfpay.PayType) time.Duration {
	if p.TakesExpiredTime() {
		return expiredTime * time.Minute
	}
	return 30 * time.Minute
}

// expires is when the order's code runs out, as far as QFPay's documents say.
func (o *order) expires() time.Time { return o.sent.Add(life(o.payType)) }

// syssns returns QFPay's ids of all orders seen under the number.
func (o *order) syssns() (all []string) {
	for _, x := range o.log {
		if x.Event == Create && x.Verdict == Done && !slices.Contains(all, x.Syssn) {
			all = append(all, x.Syssn)
		}
		for _, r := range x.Rows {
			if !slices.Contains(all, r.Syssn) {
				all = append(all, r.Syssn)
			}
		}
	}
	return all
}

// standing returns what the latest answered query shows of the order: the standing that asks for
// most care. "" without a row.
func (o *order) standing() string {
	if len(o.queries) == 0 {
		return ""
	}
	return standingOf(o.queries[len(o.queries)-1].Rows)
}

func standingOf(rows []Row) string {
	for _, s := range []qfpay.Standing{qfpay.Paid, qfpay.Unclear, qfpay.Unpaid, qfpay.Dead, qfpay.Failed} {
		if slices.ContainsFunc(rows, func(r Row) bool { return r.Standing == s.String() }) {
			return s.String()
		}
	}
	return ""
}

// mayStand reports whether QFPay may hold the order. It does not if a query shows it dead, if QFPay
// defines what it answered as not carried out, or if a query does not find it when it must.
func (w *wallet) mayStand(o *order) bool {
	switch o.standing() {
	case qfpay.Dead.String(), qfpay.Failed.String():
		return false
	case "":
	default:
		return true
	}
	ended := o.first().Event == "" // the probe did, before the answer came
	last, doubt, refused := o.sent, ended, !ended
	for _, c := range o.log {
		if c.Event == Create && !notCarriedOut(c) {
			last, doubt, refused = c.end(), true, refused && c.Verdict == Refused
		}
	}
	if !doubt {
		return false
	}
	must := last.Add(w.settling())
	if !refused {
		must = must.Add(landing)
	}
	if o.created() && !w.seen() {
		return true // no query shows any order
	}
	return len(o.queries) == 0 || o.queries[len(o.queries)-1].At.Before(must)
}

// seen reports whether a query has shown an order.
func (w *wallet) seen() bool { return slices.ContainsFunc(w.orders, (*order).shown) }

// shown reports whether a query has shown the order.
func (o *order) shown() bool {
	return slices.ContainsFunc(o.queries, func(q Observation) bool { return len(q.Rows) > 0 })
}

// made reports whether the order was created, and exists as far as is known. An answer alone proves
// nothing.
func (w *wallet) made(o *order) bool { return o.created() && (o.shown() || w.mayStand(o)) }

// landing is how long after its end a create without an answer may still be carried out.
const landing = 30 * time.Second

// notCarriedOut reports whether a create has certainly left no order.
func notCarriedOut(c Observation) bool {
	return c.Verdict == NotSent || c.Verdict == Throttled || c.Verdict == Refused && c.Syssn == "" && (c.RespCd.RefusesSignature() || c.Class == qfpay.Busy.String())
}

// alike returns the first refusal that came often enough with the same respcd, and whether there is
// one: twice, and three times if the code speaks of the moment ("try again later").
func alike(all []Observation, counts func(Observation) bool) (Observation, bool) {
	seen := map[qfpay.RespCd]int{}
	for _, o := range all {
		if o.Verdict != Refused || !counts(o) {
			continue
		}
		enough := 2
		if o.Class == qfpay.NotNow.String() || o.Class == qfpay.Busy.String() {
			enough = 3
		}
		if seen[o.RespCd]++; seen[o.RespCd] == enough {
			return o, true
		}
	}
	return Observation{}, false
}

// aboutRequest reports whether a refusal of a create is one of the request: asked again, QFPay would
// refuse it again. A code that nobody has documented counts, when it comes twice.
func aboutRequest(o Observation) bool {
	return o.Syssn == "" && (o.RespCd.RefusesSignature() || o.Class == qfpay.Refused.String() || o.Class == qfpay.Doubt.String() && !o.RespCd.Known())
}

// ofAccount reports whether a refusal may be one of the account: it does not have the pay type, or
// is not set up.
func ofAccount(o Observation) bool { return aboutRequest(o) || o.Class == qfpay.Hold.String() }

// settling is how long after a create a query shows what it has left: twice as long as an order was
// missing before.
func (w *wallet) settling() time.Duration {
	longest := time.Duration(0)
	for _, o := range w.orders {
		if missed, _ := lag(o); o.created() {
			longest = max(longest, missed)
		}
	}
	return 2*longest + time.Second
}

// repeats returns the ends of the repeated creates of an order.
func (w *wallet) repeats(o *order) (all []Observation) {
	for _, c := range o.log {
		if c.Event == Create && c.Trial == Repeat {
			all = append(all, c)
		}
	}
	return all
}

// lastClosing returns the index of the last close, or -1.
func lastClosing(all []Observation) int {
	i := len(all) - 1
	for i >= 0 && !all[i].Event.closing() {
		i--
	}
	return i
}

// lag returns the age at which the order was last missing, and at which it was first shown (-1:
// never).
func lag(o *order) (missed, shown time.Duration) {
	for _, q := range o.queries {
		if len(q.Rows) > 0 {
			return missed, q.end().Sub(o.sent)
		}
		missed = q.At.Sub(o.sent)
	}
	return missed, -1
}
