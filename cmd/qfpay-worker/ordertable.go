package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/rivo/uniseg"

	"github.com/qfpay-worker/qfpay-worker/cmd/internal/console"
	"github.com/qfpay-worker/qfpay-worker/internal/printable"
	"github.com/qfpay-worker/qfpay-worker/qfpay"
	"github.com/qfpay-worker/qfpay-worker/tasks"
	"github.com/qfpay-worker/qfpay-worker/worker/inspect"
)

// labelWidth is the width of the longest label, expired_time, and two spaces.
const labelWidth = 14

// sheet is a table of two columns: labels and values. An unknown value has no row, and a
// long one has several.
type sheet struct {
	table *console.Table
}

func (s sheet) add(label, text string) {
	for text = printable.String(text); text != ""; label = "" {
		var line string
		line, text = breakAt(text, shownWidth-labelWidth)
		s.table.Add(label, line)
	}
}

// breakAt cuts a text at a width on the screen.
func breakAt(text string, width int) (line, rest string) {
	used := 0
	for g := uniseg.NewGraphemes(text); g.Next(); used += g.Width() {
		if from, _ := g.Positions(); used+g.Width() > width && from > 0 {
			return text[:from], text[from:]
		}
	}
	return text, ""
}

func (s sheet) time(label string, t time.Time) {
	if !t.IsZero() {
		s.add(label, t.UTC().Format(tasks.TimeLayout))
	}
}

// showOrder writes the history of an order for a person, and draws its QR code if qr is
// set. It leaves out the text of the code, which is worth as much as the code itself.
func showOrder(std stdio, h inspect.History, pauses []inspect.Pause, form tasks.GoodsName, qr bool) error {
	s := sheet{console.NewTable("order", h.ID)}
	s.table.Fix(labelWidth - 2)
	s.state(h)
	for _, p := range pauses {
		s.add("paused", pausedText(p))
	}
	s.table.Note("", shownWidth)
	s.order(h.Order, form)
	for _, r := range h.Results {
		s.table.Note("", shownWidth)
		s.result(r)
	}
	if err := s.table.Write(std.out); err != nil || !qr {
		return err
	}
	return drawLast(std, h)
}

func (s sheet) state(h inspect.History) {
	s.add("state", strings.TrimSuffix(h.State+", "+h.Outcome, ", "))
	s.add("reissues", fmt.Sprintf("%d, issued as %s", h.Reissues, h.IssuedAs))
	s.add("creates sent", strconv.Itoa(h.CreatesSent))
	s.add("attempts", strconv.Itoa(h.Attempts))
	if h.Reopens > 0 {
		s.add("reopens", strconv.Itoa(h.Reopens))
	}
	s.add("deferred for", h.DeferredFor)
	for _, o := range h.Orphans {
		s.add("orphan", fmt.Sprintf("issued as %s, syssn %s: its QR code arrived too late to be published", o.IssuedAs, o.Syssn))
	}
	if h.State != "DONE" {
		s.add("due", dueIn(h))
		s.add("in flight", inFlight(h))
	}
	s.time("accepted", h.AcceptedAt)
	s.time("first tried", h.FirstAttemptAt)
	s.time("first sent", h.FirstSentAt)
	if h.SentAt != h.FirstSentAt {
		s.time("last sent", h.SentAt)
	}
	s.time("re-opened", h.ReopenedAt)
	s.time("cancel asked", h.CancelAskedAt)
	s.time("settled", h.SettledAt)
	s.time("close asked", h.CloseAskedAt)
	if h.Closed != "" {
		s.add("close ended", h.ClosedAt.UTC().Format(tasks.TimeLayout)+", "+h.Closed)
	}
	s.payment(h.Payment)
	s.add("traceparent", h.Traceparent)
	s.answer("last answer", h.Answer)
	s.answer("no answer", h.NoAnswer)
	if h.Row != nil {
		s.add("last row", "available; --format=json shows it") // it may hold the text of a code
	}
}

// payment writes what has become of the order's QR code.
func (s sheet) payment(p *inspect.Payment) {
	if p == nil {
		return
	}
	text := p.State
	if p.PaidAt != "" {
		text += " at " + p.PaidAt
	}
	if p.Syssn != "" && p.State == string(tasks.Paid) {
		text += ", syssn " + p.Syssn
	}
	if p.Refunded {
		text += "; refunded"
	}
	if p.Twice {
		text += "; paid twice"
	}
	s.add("payment", text)
}

// answer writes what came of a create. The body is left out where a respcd says what it means; it
// is in the JSON.
func (s sheet) answer(label string, a *inspect.Answer) {
	if a == nil {
		return
	}
	s.add(label, a.At.UTC().Format(tasks.TimeLayout)+" to "+a.IssuedAs+": "+a.Words())
	s.add("signature", string(a.Signature))
	if a.RespCd == "" {
		s.add("body", a.Body)
	}
}

func dueIn(h inspect.History) string {
	switch wait := h.Due.Sub(h.Now).Round(100 * time.Millisecond); {
	case h.Due.IsZero():
		return "no: no worker will process it; run qfpay-worker audit"
	case h.NotBefore.After(h.Now):
		return "in " + wait.String() + ", not before " + h.NotBefore.Format(tasks.TimeLayout)
	case wait <= 0:
		return "now"
	default:
		return "in " + wait.String()
	}
}

func inFlight(h inspect.History) string {
	if !h.InFlight {
		return "no"
	}
	return "yes, for at most " + h.LeaseUntil.Sub(h.Now).Round(100*time.Millisecond).String()
}

// order writes the fields of an order in their usual sequence. A payload that is not an
// order is written as it is.
func (s sheet) order(payload json.RawMessage, form tasks.GoodsName) {
	values := map[string]any{}
	d := json.NewDecoder(strings.NewReader(string(payload)))
	d.UseNumber()
	if d.Decode(&values) != nil {
		s.add("order", string(payload))
		return
	}
	payType := qfpay.PayType(fmt.Sprint(values["pay_type"]))
	for _, field := range tasks.Fields() {
		if v, ok := values[field]; ok {
			s.add(field, fmt.Sprint(v))
			delete(values, field)
			s.notSent(field, fmt.Sprint(v), payType, form)
		}
	}
	if len(values) > 0 { // a plain asynq producer can add any field
		s.add("unknown", fmt.Sprint(values))
	}
}

// notSent says what QFPay gets of a field, where that is not what was given.
func (s sheet) notSent(field, given string, payType qfpay.PayType, form tasks.GoodsName) {
	switch {
	case field == "expired_time" && payType.Known() && !payType.TakesExpiredTime():
		s.add("", "(not sent: "+string(payType)+" does not take it)")
	case field == "goods_name" && form.Sent(given) == "":
		s.add("", "(not sent)")
	case field == "goods_name" && form.Sent(given) != given:
		s.add("", "(sent as "+form.Sent(given)+")")
	}
}

// nameOf returns the goods_name of an order's payload.
func nameOf(payload json.RawMessage) string {
	var o struct {
		GoodsName string `json:"goods_name"`
	}
	if json.Unmarshal(payload, &o) != nil {
		return ""
	}
	return o.GoodsName
}

func (s sheet) result(p inspect.PastResult) {
	s.add("result", p.Entry+", "+p.Outcome)
	r := p.Result
	if r == nil {
		s.add("", "(no longer in the stream)")
		return
	}
	for _, f := range [][2]string{{"id", r.ID}, {"issued_as", r.IssuedAs}, {"reason", r.Reason}, {"respcd", r.RespCd},
		{"resperr", r.RespErr}, {"respmsg", r.RespMsg}, {"syssn", r.Syssn}, {"chnlsn", r.ChnlSn}, {"sysdtm", r.SysDtm},
		{"settled_at", r.SettledAt}} {
		s.add(f[0], f[1])
	}
	if r.QRCode != "" {
		s.add("qrcode", "available; --qr draws it")
	}
}

// drawLast draws the QR code of the last result.
func drawLast(std stdio, h inspect.History) error {
	if len(h.Results) == 0 || h.Results[len(h.Results)-1].Result == nil || h.Results[len(h.Results)-1].Result.QRCode == "" {
		fmt.Fprintf(std.err, "qfpay-worker: %s has no QR code\n", printable.String(h.ID))
		return nil
	}
	err := console.DrawQR(std.out, h.Results[len(h.Results)-1].Result.QRCode)
	if errors.Is(err, console.ErrTooLong) {
		fmt.Fprintf(std.err, "qfpay-worker: %s: %v\n", h.ID, err)
		return nil
	}
	return err
}
