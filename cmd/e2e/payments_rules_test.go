package e2e

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/qfpay-worker/qfpay-worker/qfpay"
	"github.com/qfpay-worker/qfpay-worker/qfpay/simulator"
	"github.com/qfpay-worker/qfpay-worker/tasks"
)

// paymentAudit is what a run of payments has left. Each field was read after those before it, so that
// what one says must be in the next ones.
type paymentAudit struct {
	told      []told               // what came to the workers
	published []tasks.Result       // codes
	events    []tasks.PaymentEntry // the payment stream
	ledger    []simulator.Order

	ended  bool          // the run waited for the end of every code
	within time.Duration // what happened so long before now has its event, notified or not; 0: not checked
	now    time.Time
}

// told is one notification, and how it was answered.
type told struct {
	qfpay.Notification
	at      time.Time
	genuine bool // it has the right signature
	status  int
	success bool // answered with SUCCESS
}

// The promises of docs/payments.md that an audit can check.
const (
	ruleEnding  = "a code has not exactly one of paid, expired and closed"
	ruleSequel  = "refunded or paid_twice is doubled, or not behind paid"
	ruleNoCode  = "an event of no code, or with other values than its code"
	ruleUnpaid  = "paid, and not so at the gateway"
	ruleUndead  = "expired or closed, and not so at the gateway"
	ruleUntrue  = "refunded or paid_twice, and not so at the gateway"
	ruleForged  = "a notification was believed that the gateway has not sent"
	ruleRefused = "a true notification about a known code was refused"
	ruleDropped = "a notification was answered with SUCCESS, and no event says what it says"
	ruleUnseen  = "it happened at the gateway, and no event says so"
)

// followed is what is known of one code.
type followed struct {
	result tasks.Result
	final  []tasks.PaymentEntry
	sequel map[string]int     // refunded and paid_twice
	told   []told             // that name it
	rows   []simulator.Order  // payments under its number
	paid   []*simulator.Order // of these, those that were paid
}

// violations checks every code, event and notification.
func (a paymentAudit) violations() (found []violation) {
	broken := func(rule, number, format string, args ...any) {
		found = append(found, violation{rule, number, fmt.Sprintf(format, args...)})
	}
	codes := map[string]*followed{}
	for _, r := range a.published {
		codes[r.IssuedAs] = &followed{result: r, sequel: map[string]int{}}
	}
	for _, o := range a.ledger {
		if c := codes[o.OutTradeNo]; c != nil && o.OrderType == "payment" {
			c.rows = append(c.rows, o)
			if o.PayDtm != "" {
				c.paid = append(c.paid, &o)
			}
		}
	}
	for _, n := range a.told {
		if c := codes[n.Order()]; c != nil {
			c.told = append(c.told, n)
		} else if n.success {
			broken(ruleForged, n.Order(), "SUCCESS, and no code")
		}
	}
	for _, e := range a.events {
		p, c := e.Payment, codes[e.Payment.IssuedAs]
		switch {
		case e.Err != nil:
			broken(ruleNoCode, e.StreamID, "%v", e.Err)
		case c == nil || p.OrderID() != c.result.OrderID() || p.TxAmt != c.result.TxAmt || p.TxCurrCd != c.result.TxCurrCd || p.PayType != c.result.PayType:
			broken(ruleNoCode, p.IssuedAs, "%+v", p)
		case tasks.PaymentEvent(p.Event).Final():
			c.final = append(c.final, e)
			c.checkFinal(e, broken)
		default:
			if c.sequel[p.Event]++; c.sequel[p.Event] > 1 || len(c.final) == 0 || c.final[0].Payment.Event != string(tasks.Paid) {
				broken(ruleSequel, p.IssuedAs, "%s", p.Event)
			}
			c.checkSequel(p, broken)
		}
	}
	for number, c := range codes {
		if n := len(c.final); n > 1 || n == 0 && a.ended {
			broken(ruleEnding, number, "%d, seen by %v", n, c.final)
		}
		c.checkTold(broken)
		a.checkSeen(c, broken)
	}
	slices.SortFunc(found, func(v, w violation) int {
		return cmp.Or(cmp.Compare(v.rule, w.rule), cmp.Compare(v.outTradeNo, w.outTradeNo))
	})
	return found
}

// checkFinal compares a final event with the ledger. A payment after the end of a code's life is in doubt
// for some seconds: a query may have come before it.
func (c *followed) checkFinal(e tasks.PaymentEntry, broken func(rule, number, format string, args ...any)) {
	p, at := e.Payment, entryTime(e.StreamID)
	if p.Event != string(tasks.Paid) {
		alive := slices.ContainsFunc(c.rows, func(o simulator.Order) bool {
			paid := paidAt(o)
			return p.Event == string(tasks.Closed) && o.State != simulator.Closed || at.Before(o.Expires) ||
				!paid.IsZero() && (paid.Before(o.Expires) || paid.Add(10*time.Second).Before(at))
		})
		if alive || len(c.rows) == 0 {
			broken(ruleUndead, p.IssuedAs, "%s at %s, and the ledger has %s", p.Event, at.Format(time.StampMilli), states(c.rows))
		}
		return
	}
	if !slices.ContainsFunc(c.paid, func(o *simulator.Order) bool { return o.Syssn == p.Syssn && !at.Before(paidAt(*o)) }) {
		broken(ruleUnpaid, p.IssuedAs, "as %s at %s, and the ledger has %s", p.Syssn, at.Format(time.StampMilli), states(c.rows))
	}
	if p.SeenBy == tasks.ByNotification && !slices.ContainsFunc(c.told, func(n told) bool {
		return n.genuine && n.Type == qfpay.NotifyPayment && n.Syssn == p.Syssn && c.agrees(n)
	}) {
		broken(ruleForged, p.IssuedAs, "seen by a notification, and none was true")
	}
}

// checkSequel compares refunded or paid_twice with the ledger.
func (c *followed) checkSequel(p tasks.Payment, broken func(rule, number, format string, args ...any)) {
	refunded := slices.ContainsFunc(c.rows, func(o simulator.Order) bool { return o.Refunded > 0 })
	if p.Event == string(tasks.Refunded) && !refunded || p.Event == string(tasks.PaidTwice) && len(c.paid) < 2 {
		broken(ruleUntrue, p.IssuedAs, "%s, and the ledger has %s", p.Event, states(c.rows))
	}
}

// agrees reports whether a notification has the code's amount and currency.
func (c *followed) agrees(n told) bool {
	amount, _ := strconv.ParseInt(c.result.TxAmt, 10, 64)
	return n.TxCurrCd == c.result.TxCurrCd && (n.TxAmt == amount || n.Type == qfpay.NotifyRefund && n.TxAmt < amount)
}

// checkTold compares what the workers were told with how they answered and what they published.
func (c *followed) checkTold(broken func(rule, number, format string, args ...any)) {
	paid := len(c.final) > 0 && c.final[0].Payment.Event == string(tasks.Paid)
	payments := map[string]bool{}
	for _, n := range c.told {
		number, true := c.result.IssuedAs, n.genuine && c.agrees(n)
		switch {
		case n.success && !true:
			broken(ruleForged, number, "SUCCESS to %+v", n)
		case n.success && len(c.final) == 0, n.success && n.Type == qfpay.NotifyRefund && paid && c.sequel["refunded"] == 0:
			broken(ruleDropped, number, "%s %s", n.Type, n.Syssn)
		case n.success && n.Type == qfpay.NotifyPayment:
			payments[n.Syssn] = true
		case true && n.status/100 == 4 && n.at.After(c.knownFor(n.Type)):
			broken(ruleRefused, number, "%s %s: %d", n.Type, n.Syssn, n.status)
		}
	}
	if paid && len(payments) > 1 && c.sequel["paid_twice"] == 0 {
		broken(ruleDropped, c.result.IssuedAs, "two payments")
	}
}

// knownFor returns since when a notification must be taken: of a payment, since the code was published; of
// a refund, since its payment was.
func (c *followed) knownFor(t qfpay.NotifyType) time.Time {
	if t == qfpay.NotifyPayment {
		at, _ := time.Parse(tasks.TimeLayout, c.result.SettledAt)
		return at.Add(time.Second)
	}
	if len(c.final) == 0 {
		return time.Now()
	}
	return entryTime(c.final[0].StreamID).Add(time.Second)
}

// checkSeen reports what happened long enough ago, and has no event.
func (a paymentAudit) checkSeen(c *followed, broken func(rule, number, format string, args ...any)) {
	for _, o := range c.paid {
		if a.within > 0 && len(c.final) == 0 && a.now.Sub(paidAt(*o)) > a.within {
			broken(ruleUnseen, o.OutTradeNo, "paid %s ago", a.now.Sub(paidAt(*o)))
		}
	}
}

func paidAt(o simulator.Order) time.Time {
	at, _ := qfpay.ParseDateTime(o.PayDtm)
	return at
}

// entryTime is when an entry of a stream was written.
func entryTime(id string) time.Time {
	text, _, _ := strings.Cut(id, "-")
	ms, _ := strconv.ParseInt(text, 10, 64)
	return time.UnixMilli(ms)
}

// states says what the ledger has under a number.
func states(rows []simulator.Order) string {
	var all []string
	for _, o := range rows {
		all = append(all, fmt.Sprintf("%s %s, paid %q, runs out %s", o.Syssn, o.State, o.PayDtm, o.Expires.Format(time.StampMilli)))
	}
	return strings.Join(all, "; ")
}

// The audit must find every kind of violation, and nothing where all is well.
func TestPaymentAudit_FindsEveryBrokenPromise(t *testing.T) {
	t.Parallel()
	noon := time.Date(2026, 3, 10, 12, 0, 0, 0, qfpay.Zone)
	// A run of one code, published at noon, that lives for five minutes.
	type run struct {
		paymentAudit
		row *simulator.Order
	}
	entry := func(r *run, event tasks.PaymentEvent, after time.Duration, seenBy, syssn string) {
		r.events = append(r.events, tasks.PaymentEntry{StreamID: fmt.Sprintf("%d-0", noon.Add(after).UnixMilli()), Payment: tasks.Payment{Merchant: "default", OutTradeNo: "A1",
			IssuedAs: "A1", Event: string(event), PayType: "801501", TxAmt: "100", TxCurrCd: "HKD", Syssn: syssn, SeenBy: seenBy}})
	}
	letter := func(r *run, kind qfpay.NotifyType, after time.Duration, change func(*told)) {
		n := told{Notification: qfpay.Notification{Type: kind, OutTradeNo: "A1", OrigOutTradeNo: "A1", Syssn: "S1", TxAmt: 100, TxCurrCd: "HKD"},
			at: noon.Add(after), genuine: true, status: 200, success: true}
		if change != nil {
			change(&n)
		}
		r.told = append(r.told, n)
	}
	pays := func(r *run, after time.Duration) {
		r.row.State, r.row.PayDtm = simulator.Paid, noon.Add(after).Format(time.DateTime)
	}
	paid := func(r *run) { pays(r, 10*time.Second); entry(r, tasks.Paid, 11*time.Second, tasks.ByEnquiry, "S1") }
	refused := func(n *told) { n.status, n.success = 404, false }
	twice := func(r *run) {
		second := *r.row
		second.Syssn = "S2"
		r.ledger = append(r.ledger, second)
	}
	for name, c := range map[string]struct {
		change func(*run)
		want   []string
	}{
		"ran out":               {func(r *run) { entry(r, tasks.Lapsed, 301*time.Second, tasks.ByEnquiry, "") }, nil},
		"paid, seen by a query": {paid, nil},
		"paid, and notified": {func(r *run) {
			letter(r, qfpay.NotifyPayment, 11*time.Second, nil)
			pays(r, 10*time.Second)
			entry(r, tasks.Paid, 11*time.Second, tasks.ByNotification, "S1")
		}, nil},
		"paid, and notified before it was published": {func(r *run) { letter(r, qfpay.NotifyPayment, -time.Second, refused); paid(r) }, nil},
		"paid after it ran out":                      {func(r *run) { pays(r, 400*time.Second); entry(r, tasks.Lapsed, 320*time.Second, tasks.ByEnquiry, "") }, nil},
		"refunded, and its refund overtook it":       {func(r *run) { letter(r, qfpay.NotifyRefund, 5*time.Second, refused); paid(r) }, nil},
		"refunded": {func(r *run) {
			paid(r)
			letter(r, qfpay.NotifyRefund, 20*time.Second, nil)
			r.row.Refunded = 1
			entry(r, tasks.Refunded, 20*time.Second, tasks.ByNotification, "R1")
		}, nil},
		"paid twice": {func(r *run) {
			paid(r)
			twice(r)
			entry(r, tasks.PaidTwice, 20*time.Second, tasks.ByEnquiry, "S2")
		}, nil},
		"still open, and the run did not wait": {func(r *run) { r.ended = false }, nil},

		"no event":             {func(r *run) {}, []string{ruleEnding}},
		"paid, and paid again": {func(r *run) { paid(r); entry(r, tasks.Paid, 12*time.Second, tasks.ByEnquiry, "S1") }, []string{ruleEnding}},
		"paid, and expired": {func(r *run) {
			paid(r)
			entry(r, tasks.Lapsed, 320*time.Second, tasks.ByEnquiry, "")
		}, []string{ruleEnding, ruleUndead}},
		"expired while it lived":         {func(r *run) { entry(r, tasks.Lapsed, 299*time.Second, tasks.ByEnquiry, "") }, []string{ruleUndead}},
		"expired, and it had been paid":  {func(r *run) { pays(r, 298*time.Second); entry(r, tasks.Lapsed, 301*time.Second, tasks.ByEnquiry, "") }, []string{ruleUndead}},
		"expired long after it was paid": {func(r *run) { pays(r, 301*time.Second); entry(r, tasks.Lapsed, 330*time.Second, tasks.ByEnquiry, "") }, []string{ruleUndead}},
		"closed by nobody":               {func(r *run) { entry(r, tasks.Closed, 301*time.Second, tasks.ByEnquiry, "") }, []string{ruleUndead}},
		"paid by nobody":                 {func(r *run) { entry(r, tasks.Paid, 11*time.Second, tasks.ByEnquiry, "S1") }, []string{ruleUnpaid}},
		"paid before it was paid":        {func(r *run) { pays(r, 60*time.Second); entry(r, tasks.Paid, 11*time.Second, tasks.ByEnquiry, "S1") }, []string{ruleUnpaid}},
		"paid as another order":          {func(r *run) { pays(r, 10*time.Second); entry(r, tasks.Paid, 11*time.Second, tasks.ByEnquiry, "S9") }, []string{ruleUnpaid}},
		"another amount":                 {func(r *run) { paid(r); r.events[0].Payment.TxAmt = "1" }, []string{ruleEnding, ruleNoCode}},
		"of no code":                     {func(r *run) { paid(r); r.events[0].Payment.IssuedAs = "B1" }, []string{ruleEnding, ruleNoCode}},
		"no entry":                       {func(r *run) { paid(r); r.events = append(r.events, tasks.PaymentEntry{Err: fmt.Errorf("no")}) }, []string{ruleNoCode}},
		"refunded by nobody": {func(r *run) {
			paid(r)
			entry(r, tasks.Refunded, 20*time.Second, tasks.ByEnquiry, "S1")
		}, []string{ruleUntrue}},
		"refunded before paid": {func(r *run) {
			r.row.Refunded = 1
			entry(r, tasks.Refunded, 9*time.Second, tasks.ByEnquiry, "S1")
			paid(r)
		}, []string{ruleSequel}},
		"paid twice by nobody": {func(r *run) { paid(r); entry(r, tasks.PaidTwice, 20*time.Second, tasks.ByEnquiry, "S2") }, []string{ruleUntrue}},
		"believed, with a wrong signature": {func(r *run) {
			letter(r, qfpay.NotifyPayment, 11*time.Second, func(n *told) { n.genuine = false })
			pays(r, 10*time.Second)
			entry(r, tasks.Paid, 11*time.Second, tasks.ByNotification, "S1")
		}, []string{ruleForged}},
		"believed, with another amount": {func(r *run) {
			letter(r, qfpay.NotifyPayment, 11*time.Second, func(n *told) { n.TxAmt = 101 })
			pays(r, 10*time.Second)
			entry(r, tasks.Paid, 11*time.Second, tasks.ByNotification, "S1")
		}, []string{ruleForged}},
		"SUCCESS about no code":  {func(r *run) { paid(r); letter(r, qfpay.NotifyPayment, 0, func(n *told) { n.OutTradeNo = "B1" }) }, []string{ruleForged}},
		"SUCCESS, and no event":  {func(r *run) { letter(r, qfpay.NotifyPayment, 11*time.Second, nil) }, []string{ruleDropped, ruleEnding}},
		"SUCCESS, and no refund": {func(r *run) { paid(r); letter(r, qfpay.NotifyRefund, 20*time.Second, nil) }, []string{ruleDropped}},
		"SUCCESS to two payments": {func(r *run) {
			paid(r)
			twice(r)
			letter(r, qfpay.NotifyPayment, 20*time.Second, nil)
			letter(r, qfpay.NotifyPayment, 20*time.Second, func(n *told) { n.Syssn = "S2" })
		}, []string{ruleDropped}},
		"a refund is refused":  {func(r *run) { paid(r); letter(r, qfpay.NotifyRefund, 20*time.Second, refused) }, []string{ruleRefused}},
		"a payment is refused": {func(r *run) { paid(r); letter(r, qfpay.NotifyPayment, 20*time.Second, refused) }, []string{ruleRefused}},
		"not seen in time": {func(r *run) {
			r.ended, r.within, r.now = false, time.Minute, noon.Add(100*time.Second)
			pays(r, 10*time.Second)
		}, []string{ruleUnseen}},
	} {
		r := &run{}
		r.ended = true
		r.published = []tasks.Result{{Merchant: "default", OutTradeNo: "A1", IssuedAs: "A1", PayType: "801501", TxAmt: "100", TxCurrCd: "HKD",
			SettledAt: noon.UTC().Format(tasks.TimeLayout)}}
		r.ledger = []simulator.Order{{OrderType: "payment", OutTradeNo: "A1", Syssn: "S1", PayType: "801501", TxAmt: 100, TxCurrCd: "HKD",
			State: simulator.Expired, Expires: noon.Add(5 * time.Minute)}}
		r.row = &r.ledger[0]
		c.change(r)
		slices.Sort(c.want)
		if got := rules(r.violations()); !slices.Equal(got, c.want) {
			t.Errorf("%s: found %v, want %q", name, r.violations(), c.want)
		}
	}
}
