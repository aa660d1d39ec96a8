package e2e

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/qfpay-worker/qfpay-worker/qfpay/simulator"
	"github.com/qfpay-worker/qfpay-worker/tasks"
)

// wanted is one enqueued order, with the producer's values.
type wanted struct{ outTradeNo, payType, txAmt, txCurrCd string }

// discrepancies compares orders, results and the gateway's ledger. There must be one result for
// each order, one live order at the gateway for each published QR code, and no others.
func discrepancies(orders []wanted, published []tasks.Result, ledger []simulator.Order) []string {
	var found []string
	differs := func(format string, args ...any) { found = append(found, fmt.Sprintf(format, args...)) }
	of := map[string][]tasks.Result{}
	for _, r := range published {
		of[r.OutTradeNo] = append(of[r.OutTradeNo], r)
	}
	owed := map[string]bool{} // order numbers that a result names
	for _, o := range orders {
		if n := len(of[o.outTradeNo]); n != 1 {
			differs("%s: %d results", o.outTradeNo, n)
			continue
		}
		r := of[o.outTradeNo][0]
		delete(of, o.outTradeNo)
		owed[r.IssuedAs] = true
		got := wanted{r.OutTradeNo, r.PayType, r.TxAmt, r.TxCurrCd}
		if got != o {
			differs("%s: the result is of another order: %v", o.outTradeNo, got)
		}
		found = append(found, unlike(r, ledger)...)
	}
	for number := range of {
		differs("%s: a result without an order", number)
	}
	for _, row := range ledger {
		if row.Live() && !owed[row.OutTradeNo] {
			differs("%s: live at the gateway, but no result says so", row.OutTradeNo)
		}
	}
	slices.Sort(found)
	return found
}

// unlike returns the differences between a result with a QR code and the gateway's ledger.
func unlike(r tasks.Result, ledger []simulator.Order) []string {
	if r.Outcome != string(tasks.Created) {
		return []string{fmt.Sprintf("%s: %s (%s)", r.OutTradeNo, r.Outcome, r.Reason)}
	}
	var rows []simulator.Order
	for _, row := range ledger {
		if row.OutTradeNo == r.IssuedAs && row.OrderType == "payment" {
			rows = append(rows, row)
		}
	}
	if len(rows) != 1 {
		return []string{fmt.Sprintf("%s: the gateway has it %d times", r.OutTradeNo, len(rows))}
	}
	row := rows[0]
	type books struct {
		live                                            bool
		qrCode, syssn, respCd, payType, txAmt, txCurrCd string
	}
	said := books{true, r.QRCode, r.Syssn, r.RespCd, r.PayType, r.TxAmt, r.TxCurrCd}
	kept := books{row.Live(), row.QRCode, row.Syssn, "0000", string(row.PayType), fmt.Sprint(row.TxAmt), row.TxCurrCd}
	if said != kept || r.QRCode == "" {
		return []string{fmt.Sprintf("%s: the result says %v, the gateway %v", r.OutTradeNo, said, kept)}
	}
	return nil
}

func TestBooks_ShowEveryKindOfError(t *testing.T) {
	order := wanted{"A1", "800201", "100", "HKD"}
	result := tasks.Result{OutTradeNo: "A1", IssuedAs: "A1", Outcome: "created", RespCd: "0000",
		QRCode: "weixin://1", Syssn: "7", PayType: "800201", TxAmt: "100", TxCurrCd: "HKD"}
	row := simulator.Order{OrderType: "payment", OutTradeNo: "A1", Syssn: "7", QRCode: "weixin://1",
		PayType: "800201", TxAmt: 100, TxCurrCd: "HKD", State: simulator.Created}
	type books struct {
		results []tasks.Result
		ledger  []simulator.Order
	}
	change := func(f func(*tasks.Result, *simulator.Order)) books {
		r, o := result, row
		f(&r, &o)
		return books{[]tasks.Result{r}, []simulator.Order{o}}
	}
	other := row
	other.OutTradeNo = "A1-2"
	for what, test := range map[string]struct {
		books
		want string
	}{
		"all is well":              {books{[]tasks.Result{result}, []simulator.Order{row}}, ""},
		"an order was lost":        {books{nil, nil}, "A1: 0 results"},
		"two results":              {books{[]tasks.Result{result, result}, []simulator.Order{row}}, "A1: 2 results"},
		"a live order too many":    {books{[]tasks.Result{result}, []simulator.Order{row, other}}, "A1-2: live at the gateway"},
		"created twice":            {books{[]tasks.Result{result}, []simulator.Order{row, row}}, "has it 2 times"},
		"never created":            {books{[]tasks.Result{result}, nil}, "has it 0 times"},
		"closed after publication": {change(func(_ *tasks.Result, o *simulator.Order) { o.State = simulator.Closed }), "the gateway {false"},
		"another QR code":          {change(func(r *tasks.Result, _ *simulator.Order) { r.QRCode = "weixin://2" }), "weixin://2"},
		"another amount":           {change(func(_ *tasks.Result, o *simulator.Order) { o.TxAmt = 99 }), "99"},
		"another order's result":   {change(func(r *tasks.Result, _ *simulator.Order) { r.TxAmt = "99" }), "of another order"},
		"a failure":                {change(func(r *tasks.Result, _ *simulator.Order) { r.Outcome = "rejected" }), "A1: rejected"},
		"a result without order":   {change(func(r *tasks.Result, _ *simulator.Order) { r.OutTradeNo = "B1" }), "B1: a result without an order"},
	} {
		found := strings.Join(discrepancies([]wanted{order}, test.results, test.ledger), "\n")
		if !strings.Contains(found, test.want) || test.want == "" && found != "" {
			t.Errorf("%s: found %q, want %q", what, found, test.want)
		}
	}
}

// checkBooks reports all discrepancies.
func checkBooks(t *testing.T, orders []wanted, published []tasks.Result, ledger []simulator.Order) {
	t.Helper()
	if diff := cmp.Diff([]string(nil), discrepancies(orders, published, ledger)); diff != "" {
		t.Errorf("orders, results and the gateway's ledger differ:\n%s", diff)
	}
}
