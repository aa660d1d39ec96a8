package e2e

import (
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

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
