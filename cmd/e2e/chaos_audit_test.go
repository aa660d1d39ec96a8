package e2e

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/qfpay-worker/qfpay-worker/qfpay/simulator"
	"github.com/qfpay-worker/qfpay-worker/tasks"
)

// audit is the state at the end of a run: orders, results and the gateway's ledger. With faults,
// an order may have any outcome that is true. Without faults, checkBooks is stricter.
type audit struct {
	orders   []wanted
	results  []tasks.Result
	ledger   []simulator.Order
	due      int64 // members of the sorted set
	archived int   // tasks in asynq's archive
}

// violation is one broken promise.
type violation struct{ rule, outTradeNo, what string }

func (v violation) String() string { return fmt.Sprintf("%s: %s: %s", v.rule, v.outTradeNo, v.what) }

// The promises of docs/architecture.md that an audit can check.
const (
	ruleLost       = "no result"
	ruleDoubled    = "more than one result"
	ruleStray      = "a result without an order"
	ruleDoubleLive = "more than one live order at the gateway"
	ruleFalse      = "published as a failure, but live at the gateway"
	ruleQRCode     = "published as created, but not so at the gateway"
	ruleSecret     = "live at the gateway under an order number that no result names"
	ruleDue        = "due is not empty"
	ruleArchive    = "asynq's archive is not empty"
)

var auditRules = []string{ruleLost, ruleDoubled, ruleStray, ruleDoubleLive, ruleFalse, ruleQRCode, ruleSecret, ruleDue, ruleArchive}

// violations checks every order.
func (a audit) violations() []violation {
	var found []violation
	published := map[string][]tasks.Result{}
	for _, r := range a.results {
		published[r.OutTradeNo] = append(published[r.OutTradeNo], r)
	}
	kept := map[string][]simulator.Order{}
	for _, row := range a.ledger {
		kept[ordered(row.OutTradeNo)] = append(kept[ordered(row.OutTradeNo)], row)
	}
	for _, o := range a.orders {
		found = append(found, o.violations(published[o.outTradeNo], kept[o.outTradeNo])...)
		delete(published, o.outTradeNo)
	}
	for number := range published {
		found = append(found, violation{ruleStray, number, "not among the orders"})
	}
	if a.due > 0 {
		found = append(found, violation{ruleDue, "", fmt.Sprintf("%d orders", a.due)})
	}
	if a.archived > 0 {
		found = append(found, violation{ruleArchive, "", fmt.Sprintf("%d tasks", a.archived)})
	}
	slices.SortFunc(found, func(v, w violation) int {
		return cmp.Or(cmp.Compare(slices.Index(auditRules, v.rule), slices.Index(auditRules, w.rule)),
			strings.Compare(v.outTradeNo, w.outTradeNo))
	})
	return found
}

// ordered returns the original out_trade_no for an order number at the gateway: the first
// reissue of A1 is A1_2. The orders here have no underscore.
func ordered(number string) string {
	own, _, _ := strings.Cut(number, "_")
	return own
}

// costs reports whether a customer can pay, or has paid, an order of the ledger.
func costs(row simulator.Order) bool {
	return row.Live() || row.State == simulator.Paid || row.State == simulator.Refunded
}

// violations checks one order: its results, and its rows in the gateway's ledger.
func (o wanted) violations(results []tasks.Result, rows []simulator.Order) []violation {
	var found []violation
	broken := func(rule, format string, args ...any) {
		found = append(found, violation{rule, o.outTradeNo, fmt.Sprintf(format, args...)})
	}
	rows = slices.DeleteFunc(slices.Clone(rows), func(row simulator.Order) bool { return row.OrderType != "payment" || !costs(row) })
	if len(rows) > 1 {
		broken(ruleDoubleLive, "%s and %s", rows[0].OutTradeNo, rows[1].OutTradeNo)
	}
	if len(results) == 0 {
		broken(ruleLost, "with %d live orders at the gateway", len(rows))
	}
	if len(results) > 1 {
		broken(ruleDoubled, "%d", len(results))
	}
	for _, r := range results {
		live := slices.IndexFunc(rows, func(row simulator.Order) bool { return row.OutTradeNo == r.IssuedAs })
		switch tasks.Outcome(r.Outcome) {
		case tasks.Created:
			if live < 0 {
				broken(ruleQRCode, "nothing live under %s", r.IssuedAs)
			} else if said, kept := said(r), kept(rows[live]); said != kept || r.QRCode == "" {
				broken(ruleQRCode, "the result says %v, the gateway %v", said, kept)
			}
		case tasks.Rejected, tasks.Expired:
			if len(rows) > 0 {
				broken(ruleFalse, "%s (%s), and %s is %s", r.Outcome, r.Reason, rows[0].OutTradeNo, rows[0].State)
			}
		case tasks.Unresolved:
			if len(rows) > 0 && live < 0 {
				broken(ruleSecret, "%s, published as %s", rows[0].OutTradeNo, r.IssuedAs)
			}
		}
	}
	return found
}

// claim has the values that matter to a customer.
type claim struct{ qrCode, syssn, payType, txAmt, txCurrCd string }

func said(r tasks.Result) claim { return claim{r.QRCode, r.Syssn, r.PayType, r.TxAmt, r.TxCurrCd} }

func kept(row simulator.Order) claim {
	return claim{row.QRCode, row.Syssn, string(row.PayType), fmt.Sprint(row.TxAmt), row.TxCurrCd}
}
