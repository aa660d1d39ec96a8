package main

import (
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/qfpay-worker/qfpay-worker/cmd/internal/console"
	"github.com/qfpay-worker/qfpay-worker/internal/printable"
	"github.com/qfpay-worker/qfpay-worker/qfpay"
	"github.com/qfpay-worker/qfpay-worker/qfpay/simulator"
	"github.com/qfpay-worker/qfpay-worker/tasks"
)

// mostShown is the most orders that are shown with a line each.
const mostShown = 60

// show prints the results: a line for each order, one QR code, the payments, and the counts beside
// those of the gateway's ledger.
func show(w io.Writer, results []tasks.Result, paid []string, gateway *simulator.Gateway) error {
	table := console.NewTable("out_trade_no", "wallet", "outcome", "respcd", "syssn")
	for _, r := range results[:min(len(results), mostShown)] {
		table.Add(r.OutTradeNo, qfpay.PayType(r.PayType).Wallet(), r.Outcome, r.RespCd, r.Syssn)
		if r.IssuedAs != r.OutTradeNo {
			table.Note("  its QR code was lost on the way: closed, and issued again as "+r.IssuedAs, 80)
			table.Note("  the sandbox closes a code that nobody has scanned; QFPay may not", 80)
		} else if r.Reason != "" {
			table.Note("  "+r.Reason+" "+r.RespErr, 80)
		}
	}
	if err := table.Write(w); err != nil {
		return err
	}
	if more := len(results) - mostShown; more > 0 {
		fmt.Fprintf(w, "… and %d more\n", more)
	}
	if err := drawFirst(w, results); err != nil {
		return err
	}
	if len(paid) > 0 {
		fmt.Fprintf(w, "\n%d customers pay; the gateway notifies, and the payment stream has:\n%s\n\n", len(paid), strings.Join(paid, "\n"))
	}
	live := 0
	for _, o := range gateway.Orders() {
		if o.OrderType == "payment" && o.Live() {
			live++
		}
	}
	fmt.Fprintf(w, "in the gateway's books: %d calls, %d orders waiting to be paid\n", len(gateway.Calls()), live)
	fmt.Fprintln(w, moreCommands)
	_, err := fmt.Fprintln(w, counts(results))
	return err
}

// moreCommands names what the demo does not show.
const moreCommands = `with qfpay-worker and a Redis of your own: enqueue --wait turns a file of
orders into one of QR codes; batch show, order list and payments tell how far
they are; order cancel and merchant pause stop them`

// drawFirst draws the QR code of the first order that has one.
func drawFirst(w io.Writer, results []tasks.Result) error {
	i := slices.IndexFunc(results, func(r tasks.Result) bool { return r.QRCode != "" })
	if i < 0 {
		return nil
	}
	r := results[i]
	fmt.Fprintf(w, "\n%s, txamt %s %s, to be scanned with %s:\n%s\n", r.OutTradeNo, r.TxAmt, r.TxCurrCd, qfpay.PayType(r.PayType).Wallet(), printable.String(r.QRCode))
	return console.DrawQR(w, r.QRCode)
}

// counts is the closing line.
func counts(results []tasks.Result) string {
	byOutcome := map[string]int{}
	for _, r := range results {
		byOutcome[r.Outcome]++
	}
	var line strings.Builder
	fmt.Fprintf(&line, "orders=%d", len(results))
	for _, o := range tasks.Outcomes() {
		fmt.Fprintf(&line, " %s=%d", o, byOutcome[string(o)])
	}
	return line.String()
}
