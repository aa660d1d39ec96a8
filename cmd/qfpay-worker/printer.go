package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/rivo/uniseg"

	"github.com/qfpay-worker/qfpay-worker/cmd/internal/console"
	"github.com/qfpay-worker/qfpay-worker/internal/printable"
	"github.com/qfpay-worker/qfpay-worker/tasks"
)

// printer writes results to standard output.
type printer struct {
	std     stdio
	out     *bufio.Writer
	json    *json.Encoder // nil: a table
	table   *console.Table
	follows bool // waits for results
	rows    bool // the table has rows that are not yet written
	qr      bool
	one     string // what it writes: result, payment

	last    string // the last entry that was written
	printed int
	writing error // of standard output, to distinguish it from an error of Redis
}

// shownWidth is the greatest width of a table of one order.
const shownWidth = 80

// restWidth is the width of a row of results beside its order number.
const restWidth = 2 + len(tasks.Unresolved) + 2 + widestRespCd + 2 + widestSyssn

func newPrinter(std stdio, c *ResultsCmd) *printer {
	p := &printer{std: std, out: bufio.NewWriter(std.out), qr: c.QR, last: c.From, follows: c.Follow, one: "result"}
	if c.Format == "json" {
		p.json = json.NewEncoder(printable.Writer(p.out))
		p.json.SetEscapeHTML(false) // the text of a QR code contains &
		return p
	}
	p.table = console.NewTable("out_trade_no", "outcome", "respcd", "syssn")
	p.table.Fix(len("POS-20260302-0001"), len(tasks.Unresolved))
	return p
}

// print writes one entry, perhaps only into the buffer.
func (p *printer) print(e tasks.Entry) error {
	return p.entry(e.StreamID, e.Err, func() error { return p.write(e.Result) })
}

// entry writes one entry, and remembers it. One that cannot be read is skipped, with a line.
func (p *printer) entry(id string, unreadable error, write func() error) error {
	if unreadable != nil {
		fmt.Fprintf(p.std.err, "qfpay-worker: skipped an entry of the %s stream: %s\n", p.one, printable.String(unreadable.Error()))
		return nil
	}
	p.writing = write()
	if p.writing == nil {
		p.printed++
		p.last = id
	}
	return p.writing
}

func (p *printer) write(r tasks.Result) error {
	if p.json != nil {
		return p.json.Encode(r)
	}
	p.rows = true
	row, notes := shownRow(r, p.std.columns)
	p.table.Add(row...)
	for _, note := range notes {
		p.table.Note(note, p.std.columns)
	}
	if p.qr && r.QRCode != "" {
		return p.draw(r)
	}
	return nil
}

// draw writes the buffered rows and the QR code below them.
func (p *printer) draw(r tasks.Result) error {
	if err := p.flush(); err != nil {
		return err
	}
	err := console.DrawQR(p.std.out, r.QRCode)
	if errors.Is(err, console.ErrTooLong) {
		fmt.Fprintf(p.std.err, "qfpay-worker: %s: %v\n", printable.String(r.OutTradeNo), err)
		return nil
	}
	return err
}

// flush writes the buffered rows.
func (p *printer) flush() error {
	if p.rows {
		p.rows = false
		if p.writing = p.table.Write(p.out); p.writing != nil {
			return p.writing
		}
	}
	p.writing = p.out.Flush()
	return p.writing
}

// end says on standard error how to go on after the last entry. Its ID is not part of the
// JSON on standard output.
func (p *printer) end() {
	switch {
	case p.printed == 0 && p.follows:
	case p.printed == 0:
		fmt.Fprintf(p.std.err, "no %ss yet; --follow waits for them\n", p.one)
	case p.printed > 0 && console.IsTerminal(p.std.err):
		fmt.Fprintf(p.std.err, "%d %ss; continue with --from %s\n", p.printed, p.one, p.last)
	}
}

// The greatest widths of cells on a terminal.
const (
	widestRespCd = 6
	widestSyssn  = 26
)

// shownRow returns the cells of a result's row, and the notes below it. On a terminal, a value that
// is too wide for its column, such as an order number with a long merchant, is in a note. Without
// one (columns is 0) nothing is cut.
func shownRow(r tasks.Result, columns int) (row, notes []string) {
	fits := func(text, label string, widest int) string {
		if text = printable.String(text); columns == 0 || uniseg.StringWidth(text) <= widest {
			return text
		}
		notes = append(notes, "  "+label+" "+text)
		return "…"
	}
	number := printable.String(shownNumber(r))
	widestNumber := max(columns, shownWidth) - restWidth
	if columns > 0 && uniseg.StringWidth(number) > widestNumber {
		notes = append(notes, "  of merchant "+r.Merchant)
		number = fits(r.OutTradeNo, "out_trade_no", widestNumber)
	}
	row = []string{number, r.Outcome, fits(r.RespCd, "respcd", widestRespCd), fits(r.Syssn, "syssn", widestSyssn)}
	if note := shownNote(r); note != "" {
		notes = append(notes, note)
	}
	return row, notes
}

// shownNumber returns the order number, with the merchant unless it is the default.
func shownNumber(r tasks.Result) string {
	if r.Merchant == tasks.DefaultMerchant {
		return r.OutTradeNo
	}
	return r.OrderID()
}

// shownNote returns what to show of a result below its row.
func shownNote(r tasks.Result) string {
	note := ""
	if r.IssuedAs != "" && r.IssuedAs != r.OutTradeNo {
		note = "  issued as " + r.IssuedAs
	}
	if tasks.Outcome(r.Outcome) == tasks.Created {
		return note
	}
	for _, text := range []string{r.Reason, r.RespErr, r.RespMsg} {
		if text != "" {
			return note + "  " + text
		}
	}
	return note
}
