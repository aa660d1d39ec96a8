package e2e

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

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

	cancels  map[string]string // out_trade_no → door: orders that somebody asked to cancel
	closings map[string]closing
	unended  map[string]bool // see the method of chaos
	batches  []batchBook
	pauses   []pauseSpan
	calls    []simulator.Call
	onItsWay time.Duration // how long after the beginning of a pause a create may arrive
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

var auditRules = []string{ruleLost, ruleDoubled, ruleStray, ruleDoubleLive, ruleFalse, ruleQRCode, ruleSecret, ruleDue, ruleArchive,
	ruleCancelled, ruleUnasked, ruleForgotten, ruleClosed, ruleBatch, rulePaused}

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
		found = append(found, a.orderViolations(o, published[o.outTradeNo], kept[o.outTradeNo])...)
		delete(published, o.outTradeNo)
	}
	for number := range published {
		found = append(found, violation{ruleStray, number, "not among the orders"})
	}
	if a.due != int64(len(a.unended)) {
		found = append(found, violation{ruleDue, "", fmt.Sprintf("%d orders", a.due)})
	}
	if a.archived > 0 {
		found = append(found, violation{ruleArchive, "", fmt.Sprintf("%d tasks", a.archived)})
	}
	found = append(found, append(a.batchViolations(), a.pauseViolations()...)...)
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

// orderViolations checks one order: its results, and its rows in the gateway's ledger.
func (a audit) orderViolations(o wanted, results []tasks.Result, rows []simulator.Order) []violation {
	var found []violation
	broken := func(rule, format string, args ...any) {
		found = append(found, violation{rule, o.outTradeNo, fmt.Sprintf(format, args...)})
	}
	all := slices.DeleteFunc(slices.Clone(rows), func(row simulator.Order) bool { return row.OrderType != "payment" })
	rows = slices.DeleteFunc(slices.Clone(all), func(row simulator.Order) bool { return !costs(row) })
	if len(rows) > 1 {
		broken(ruleDoubleLive, "%s and %s", rows[0].OutTradeNo, rows[1].OutTradeNo)
	}
	if len(results) == 0 && !a.unended[o.outTradeNo] {
		broken(ruleLost, "with %d live orders at the gateway", len(rows))
	}
	if len(results) > 1 {
		broken(ruleDoubled, "%d", len(results))
	}
	for _, r := range results {
		issued := func(row simulator.Order) bool { return row.OutTradeNo == r.IssuedAs }
		live, stored := slices.IndexFunc(rows, issued), slices.IndexFunc(all, issued)
		var payable *simulator.Order
		if live >= 0 {
			payable = &rows[live]
		}
		switch tasks.Outcome(r.Outcome) {
		case tasks.Created:
			if rule, what := a.closingViolations(o, payable); rule != "" {
				broken(rule, "%s", what)
			}
			if live < 0 && (stored < 0 || !a.closings[o.outTradeNo].asked) {
				broken(ruleQRCode, "nothing live under %s", r.IssuedAs)
			} else if said, kept := said(r), kept(all[stored]); said != kept || r.QRCode == "" {
				broken(ruleQRCode, "the result says %v, the gateway %v", said, kept)
			}
		case tasks.Rejected, tasks.Expired:
			if len(rows) > 0 {
				broken(ruleFalse, "%s (%s), and %s is %s", r.Outcome, r.Reason, rows[0].OutTradeNo, rows[0].State)
			}
		case tasks.Cancelled:
			if len(rows) > 0 {
				broken(ruleCancelled, "%s, and %s is %s", r.Reason, rows[0].OutTradeNo, rows[0].State)
			}
			if _, asked := a.cancels[o.outTradeNo]; !asked {
				broken(ruleUnasked, "%s", r.Reason)
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
