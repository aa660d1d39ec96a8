package e2e

import (
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/qfpay-worker/qfpay-worker/qfpay"
	"github.com/qfpay-worker/qfpay-worker/qfpay/simulator"
	"github.com/qfpay-worker/qfpay-worker/tasks"
)

// The audit must find every kind of violation.
func TestChaos_AuditFindsEveryBrokenPromise(t *testing.T) {
	order := wanted{"A1", "800201", "100", "HKD"}
	for _, c := range auditCases() {
		t.Run(c.name, func(t *testing.T) {
			found := audit{orders: []wanted{order}, results: c.results, ledger: c.ledger}.violations()
			if diff := cmp.Diff(c.want, rules(found)); diff != "" {
				t.Errorf("found %v\n%s", found, diff)
			}
		})
	}
	if found := rules(audit{due: 1, archived: 1}.violations()); !slices.Equal(found, []string{ruleDue, ruleArchive}) {
		t.Errorf("left over: %v", found)
	}
}

type auditCase struct {
	name    string
	results []tasks.Result
	ledger  []simulator.Order
	want    []string // rules
}

// auditCases are valid and invalid final states of the order A1.
func auditCases() []auditCase {
	result := func(change func(*tasks.Result)) tasks.Result {
		r := tasks.Result{OutTradeNo: "A1", IssuedAs: "A1", Outcome: "created", QRCode: "weixin://1", Syssn: "7",
			PayType: "800201", TxAmt: "100", TxCurrCd: "HKD"}
		change(&r)
		return r
	}
	row := func(number string, state simulator.State) simulator.Order {
		return simulator.Order{OrderType: "payment", OutTradeNo: number, Syssn: "7", QRCode: "weixin://1",
			PayType: "800201", TxAmt: 100, TxCurrCd: "HKD", State: state}
	}
	as := func(outcome string) tasks.Result { return result(func(r *tasks.Result) { r.Outcome = outcome }) }
	created := as("created")
	reissued := result(func(r *tasks.Result) { r.IssuedAs = "A1_2" })
	return []auditCase{
		{"created", []tasks.Result{created}, []simulator.Order{row("A1", simulator.Created)}, nil},
		{"created, and paid since", []tasks.Result{created}, []simulator.Order{row("A1", simulator.Paid)}, nil},
		{"reissued", []tasks.Result{reissued}, []simulator.Order{row("A1", simulator.Closed), row("A1_2", simulator.Created)}, nil},
		{"refused", []tasks.Result{as("rejected")}, nil, nil},
		{"failed at the channel", []tasks.Result{as("rejected")}, []simulator.Order{row("A1", simulator.Failed)}, nil},
		{"too late, and closed", []tasks.Result{as("expired")}, []simulator.Order{row("A1", simulator.Closed)}, nil},
		{"a person must look", []tasks.Result{as("unresolved")}, []simulator.Order{row("A1", simulator.Created)}, nil},
		{"lost", nil, []simulator.Order{row("A1", simulator.Created)}, []string{ruleLost}},
		{"published twice", []tasks.Result{created, created}, []simulator.Order{row("A1", simulator.Created)}, []string{ruleDoubled}},
		{"created twice under one number", []tasks.Result{created},
			[]simulator.Order{row("A1", simulator.Created), row("A1", simulator.Created)}, []string{ruleDoubleLive}},
		{"reissued, and the old one can still be paid", []tasks.Result{reissued},
			[]simulator.Order{row("A1", simulator.Created), row("A1_2", simulator.Created)}, []string{ruleDoubleLive}},
		{"a false refusal", []tasks.Result{as("rejected")}, []simulator.Order{row("A1", simulator.Created)}, []string{ruleFalse}},
		{"a false expiry, and it was paid", []tasks.Result{as("expired")}, []simulator.Order{row("A1", simulator.Paid)}, []string{ruleFalse}},
		{"a QR code whose order was closed", []tasks.Result{created}, []simulator.Order{row("A1", simulator.Closed)}, []string{ruleQRCode}},
		{"a QR code of nothing", []tasks.Result{created}, nil, []string{ruleQRCode}},
		{"another QR code", []tasks.Result{result(func(r *tasks.Result) { r.QRCode = "weixin://2" })},
			[]simulator.Order{row("A1", simulator.Created)}, []string{ruleQRCode}},
		{"another amount", []tasks.Result{result(func(r *tasks.Result) { r.TxAmt = "1" })},
			[]simulator.Order{row("A1", simulator.Created)}, []string{ruleQRCode}},
		{"a person is sent to the wrong number", []tasks.Result{as("unresolved")},
			[]simulator.Order{row("A1_2", simulator.Created)}, []string{ruleSecret}},
		{"a result without an order", []tasks.Result{created, result(func(r *tasks.Result) { r.OutTradeNo = "B1" })},
			[]simulator.Order{row("A1", simulator.Created)}, []string{ruleStray}},
	}
}

// rules returns the rules that were broken, each once.
func rules(found []violation) []string {
	var names []string
	for _, v := range found {
		if !slices.Contains(names, v.rule) {
			names = append(names, v.rule)
		}
	}
	return names
}

// The promises about batches, cancellations and pauses must be checked as well: each case breaks one, or none.
func TestChaos_AuditFindsWhatLeversBreak(t *testing.T) {
	t.Parallel()
	now := time.Now()
	order := wanted{"A1", "800201", "100", "HKD"}
	result := func(outcome string) tasks.Result {
		return tasks.Result{OutTradeNo: "A1", IssuedAs: "A1", Outcome: outcome, QRCode: "weixin://1", Syssn: "7", PayType: "800201", TxAmt: "100", TxCurrCd: "HKD"}
	}
	row := func(state simulator.State) []simulator.Order {
		return []simulator.Order{{OrderType: "payment", OutTradeNo: "A1", Syssn: "7", QRCode: "weixin://1",
			PayType: "800201", TxAmt: 100, TxCurrCd: "HKD", State: state}}
	}
	asked := map[string]string{"A1": "HTTP"}
	closes := func(closed string, waits bool) map[string]closing {
		return map[string]closing{"A1": {true, closed, waits}}
	}
	counters := func(change ...string) []batchBook {
		c := map[string]string{"accepted": "1", "waiting": "0", "cancelled": "1", "last_settled_at": "17"}
		for n := 0; n < len(change); n += 2 {
			c[change[n]] = change[n+1]
		}
		return []batchBook{{"run-1", c, []string{"A1"}}}
	}
	span := []pauseSpan{{"800201", now, now.Add(5 * time.Second)}}
	create := func(at time.Duration, payType qfpay.PayType) []simulator.Call {
		return []simulator.Call{{Endpoint: "payment", OutTradeNo: "A1", PayType: payType, Time: now.Add(at)}}
	}
	for name, c := range map[string]struct {
		outcome string
		ledger  []simulator.Order
		more    audit
		want    []string
	}{
		"cancelled before anything was sent":     {"cancelled", nil, audit{cancels: asked}, nil},
		"cancelled, and closed":                  {"cancelled", row(simulator.Closed), audit{cancels: asked}, nil},
		"cancelled, and it lives":                {"cancelled", row(simulator.Created), audit{cancels: asked}, []string{ruleCancelled}},
		"cancelled, and it was paid":             {"cancelled", row(simulator.Paid), audit{cancels: asked}, []string{ruleCancelled}},
		"cancelled by nobody":                    {"cancelled", nil, audit{}, []string{ruleUnasked}},
		"published and closed":                   {"created", row(simulator.Closed), audit{cancels: asked, closings: closes("closed", false)}, nil},
		"said to be closed, and it lives":        {"created", row(simulator.Created), audit{cancels: asked, closings: closes("closed", false)}, []string{ruleClosed}},
		"said to be closed, and it was paid":     {"created", row(simulator.Paid), audit{cancels: asked, closings: closes("closed", false)}, []string{ruleClosed}},
		"published and paid":                     {"created", row(simulator.Paid), audit{cancels: asked, closings: closes("paid", false)}, nil},
		"said to be paid, and it was closed":     {"created", row(simulator.Closed), audit{cancels: asked, closings: closes("paid", false)}, []string{ruleClosed}},
		"said not to close, and it can be":       {"created", row(simulator.Created), audit{cancels: asked, closings: closes("cannot_close", false)}, []string{ruleClosed}},
		"still to be closed":                     {"created", row(simulator.Created), audit{cancels: asked, closings: closes("", true)}, nil},
		"to be closed, and no worker looks":      {"created", row(simulator.Created), audit{cancels: asked, closings: closes("", false)}, []string{ruleClosed}},
		"given up within seconds":                {"created", row(simulator.Created), audit{cancels: asked, closings: closes("unclear", false)}, []string{ruleClosed}},
		"the request to cancel it was forgotten": {"created", row(simulator.Created), audit{cancels: asked}, []string{ruleForgotten}},
		"its batch counts right":                 {"cancelled", nil, audit{cancels: asked, batches: counters()}, nil},
		"its batch counts it twice":              {"cancelled", nil, audit{cancels: asked, batches: counters("accepted", "2")}, []string{ruleBatch}},
		"its batch counts another outcome":       {"cancelled", nil, audit{cancels: asked, batches: counters("created", "1", "cancelled", "0")}, []string{ruleBatch}},
		"its batch waits for it":                 {"cancelled", nil, audit{cancels: asked, batches: counters("waiting", "1")}, []string{ruleBatch}},
		"its batch waits for it in a lane":       {"cancelled", nil, audit{cancels: asked, batches: counters("waiting:bulk:default", "1")}, []string{ruleBatch}},
		"its batch has no counters":              {"cancelled", nil, audit{cancels: asked, batches: []batchBook{{"run-1", nil, []string{"A1"}}}}, []string{ruleBatch}},
		"on its way when the pause began":        {"created", row(simulator.Created), audit{pauses: span, calls: create(time.Second, "800201")}, nil},
		"created during the pause":               {"created", row(simulator.Created), audit{pauses: span, calls: create(3*time.Second, "800201")}, []string{rulePaused}},
		"created after the pause":                {"created", row(simulator.Created), audit{pauses: span, calls: create(6*time.Second, "800201")}, nil},
		"another pay type is paused":             {"created", row(simulator.Created), audit{pauses: span, calls: create(3*time.Second, "800101")}, nil},
		"the whole merchant is paused": {"created", row(simulator.Created),
			audit{pauses: []pauseSpan{{"", now, now.Add(5 * time.Second)}}, calls: create(3*time.Second, "800101")}, []string{rulePaused}},
	} {
		a := c.more
		a.orders, a.results, a.ledger, a.onItsWay = []wanted{order}, []tasks.Result{result(c.outcome)}, c.ledger, 2*time.Second
		if found := a.violations(); !slices.Equal(rules(found), c.want) {
			t.Errorf("%s: found %v, want %q", name, found, c.want)
		}
	}
}
