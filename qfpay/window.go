package qfpay

import (
	"context"
	"time"
)

// maxWindowPages is how many pages a window may have; more must be an error.
const maxWindowPages = 1000

// Window is a span of sysdtm, to the second and including both ends, within one calendar month in
// UTC+8: QFPay stores orders by month.
type Window struct {
	From, To time.Time
	RespCd   RespCd // only rows with this code; empty: all rows
}

// Windows divides a span of time into windows, one for each month.
func Windows(from, to time.Time, respCd RespCd) []Window {
	var all []Window
	for m := monthOf(from); !m.start().After(to); m = monthOf(m.start().AddDate(0, 1, 0)) {
		w := Window{From: m.start(), To: m.start().AddDate(0, 1, 0).Add(-time.Second), RespCd: respCd}
		if w.From.Before(from) {
			w.From = from
		}
		if w.To.After(to) {
			w.To = to
		}
		all = append(all, w)
	}
	return all
}

// QueryWindow asks for all rows of a window, whatever their order numbers and types: 100 in a call. It
// begins with the page first (1: the beginning), calls each with every page as it comes, until each wants
// no more, and returns how many rows there were. A row is a proof; an order number that is in no row proves nothing, and must be
// asked for by itself (see [Client.Query]). A page that repeats rows of the one before is possible,
// because orders change while pages are read.
//
// The errors are those of [Client.Query]; the rows of the pages before were passed to each.
func (c *Client) QueryWindow(ctx context.Context, w Window, first int, each func([]Record) (more bool)) (rows int, err error) {
	var before []Record
	for page := first; ; page++ {
		p := Params{"start_time": FormatDateTime(w.From), "end_time": FormatDateTime(w.To)}
		if w.RespCd != "" {
			p["respcd"] = string(w.RespCd)
		}
		got, err := c.readPage(ctx, p, page, maxWindowPages, before)
		if err != nil {
			return rows, err
		}
		rows += len(got.rows)
		more := len(got.rows) > 0 && each(got.rows)
		if !more || len(got.rows) < got.size {
			return rows, nil
		}
		before = got.rows
	}
}
