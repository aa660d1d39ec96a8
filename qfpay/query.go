package qfpay

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
)

const (
	maxNumbers = 128     // characters of out_trade_no in one query, including commas
	pageSize   = 100     // QFPay's maximum
	maxPages   = 50      // of one batch in one month; more must be an error
	maxRows    = 1 << 20 // bytes of one page: 100 rows of all fields have about 80 KiB
)

// otherTypes are the order_type of rows that are no orders. Any other unknown type may be one.
var otherTypes = []string{"refund", "close", "reversal", "cancel"}

// Query returns QFPay's rows for these orders in these months: no refunds and no closes, and only
// the given order numbers, in whatever case. A row may have an unknown order_type; its Standing is
// Unclear. There may be none: for one order number, that is QFPay's own word, an empty list, 1136
// or 1268. For several, it must be asked for by itself. Query makes one call for every month, every 128
// characters of order numbers, and every further page of 100 rows.
//
// months are those in which QFPay can have stored the orders (see [MonthsAround]). Without a
// month QFPay would search only the current one, and a missing row would prove nothing. The
// errors are those of [Client.CreatePayment], and [FieldErrors] for invalid arguments.
func (c *Client) Query(ctx context.Context, outTradeNos []string, months []Month) ([]Record, error) {
	if err := checkQuery(outTradeNos, months); err != nil {
		return nil, err
	}
	var found []Record
	for _, batch := range batches(outTradeNos) {
		for _, month := range months {
			rows, err := c.queryMonth(ctx, batch, month)
			if err != nil {
				return nil, err
			}
			found = append(found, rows...)
		}
	}
	return found, nil
}

// checkQuery refuses invalid arguments. For example, with a comma QFPay would search for two
// other order numbers.
func checkQuery(outTradeNos []string, months []Month) error {
	var errs FieldErrors
	if len(months) == 0 {
		errs = append(errs, FieldError{Field: "start_time", Rule: "needs at least one month"})
	}
	if len(outTradeNos) == 0 {
		errs = append(errs, FieldError{Field: "out_trade_no", Rule: "is required"})
	}
	for _, n := range outTradeNos {
		if n == "" || len(n) > maxNumbers || strings.Contains(n, ",") {
			errs = append(errs, FieldError{"out_trade_no", shorten(n), "must be 1 to 128 characters without a comma"})
		}
	}
	if errs == nil {
		return nil
	}
	return errs
}

// batches divides the order numbers into as few lists as fit into the field.
func batches(outTradeNos []string) [][]string {
	var all [][]string
	length := 0
	for _, n := range outTradeNos {
		if len(all) == 0 || length+1+len(n) > maxNumbers {
			all = append(all, nil)
			length = -1
		}
		last := len(all) - 1
		all[last] = append(all[last], n)
		length += 1 + len(n)
	}
	return all
}

// Queries returns how many calls it takes to ask for these order numbers, for each month.
func Queries(outTradeNos []string) int { return len(batches(outTradeNos)) }

// queryMonth queries one batch in one month, page by page until a page is not full.
func (c *Client) queryMonth(ctx context.Context, batch []string, m Month) ([]Record, error) {
	var found, before []Record
	all := 0
	for page := 1; ; page++ {
		got, err := c.queryPage(ctx, batch, m, page, before)
		if err != nil {
			return nil, err
		}
		for _, row := range got.rows {
			if row.isOneOf(batch) {
				found = append(found, row)
			}
		}
		all += len(got.rows)
		switch {
		case len(got.rows) >= got.size:
		case len(found) == 0 && all > 0:
			return nil, &Unanswered{Endpoint: string(query), Reason: reasonBadAnswer, HTTPStatus: http.StatusOK, Body: clip(got.body),
				Err: fmt.Errorf("%d rows, and none of them is a payment with an order number that was asked for", all)}
		default:
			return found, nil
		}
		before = got.rows
	}
}

// HasNumber reports whether the row has this order number, which the gateway may keep in another
// case.
func (r Record) HasNumber(outTradeNo string) bool { return sameNumber(r.OutTradeNo, outTradeNo) }

// isOneOf reports whether the row may be one of these orders.
func (r Record) isOneOf(outTradeNos []string) bool {
	return slices.ContainsFunc(outTradeNos, r.HasNumber) && !r.IsNoOrder()
}

// IsNoOrder reports whether the row is a refund or a close of an order, and not an order.
func (r Record) IsNoOrder() bool {
	return slices.ContainsFunc(otherTypes, func(t string) bool { return strings.EqualFold(strings.TrimSpace(r.OrderType), t) })
}

// queryPage queries one page. If a page repeats the last one, or there are too many, the
// gateway ignores the page number. The further rows are then not known, so a missing order
// number does not prove that there is no order.
func (c *Client) queryPage(ctx context.Context, batch []string, m Month, page int, before []Record) (rowPage, error) {
	start, end := m.window()
	return c.readPage(ctx, Params{"out_trade_no": strings.Join(batch, ","), "start_time": start, "end_time": end}, page, maxPages, before)
}

// readPage reads one page of the rows that p asks for.
func (c *Client) readPage(ctx context.Context, p Params, page, most int, before []Record) (rowPage, error) {
	p["page"], p["page_size"] = strconv.Itoa(page), strconv.Itoa(pageSize)
	r := request{endpoint: query, maxBody: maxRows, params: c.params(p)}
	var got rowPage
	r.read = func(a *answer) (err error) {
		got, err = readPage(r, a)
		if err != nil || len(got.rows) == 0 {
			return err
		}
		if page > most || slices.Equal(got.rows, before) {
			return a.doubt(r, reasonBadAnswer, fmt.Sprintf("page %d of the query repeats the last one, or there are too many pages", page))
		}
		return nil
	}
	_, err := c.call(ctx, r)
	return got, err
}

// rowPage is one page of a query.
type rowPage struct {
	rows []Record
	size int // rows of a full page: pageSize, or less if the gateway says so
	body []byte
}

// readPage reads the answer to a query. Its respcd is about the query itself; "does not exist"
// means that there is no row. A success without a list says nothing: the rows may be somewhere
// else in it.
func readPage(r request, a *answer) (rowPage, error) {
	got := rowPage{size: pageSize, body: a.body}
	if text, _ := scalar(a.top["respcd"]); text == "" {
		return got, a.doubt(r, reasonBadAnswer, "the respcd of the query is missing")
	}
	switch a.respCd {
	case success:
	case noTransaction, noOrder:
		return got, nil
	default:
		return got, a.refusal(r)
	}
	if n, err := strconv.Atoi(a.text("page_size")); err == nil && n > 0 && n < pageSize {
		got.size = n
	}
	for i, one := range a.rows() {
		row, err := readRecord(one)
		if err != nil {
			return got, a.doubt(r, reasonBadAnswer, fmt.Sprintf("row %d: %v", i+1, err))
		}
		got.rows = append(got.rows, row)
	}
	if got.rows == nil && !a.hasEmptyList() {
		return got, a.doubt(r, reasonBadAnswer, "there is no list of rows")
	}
	return got, nil
}

// rows returns the rows of a query: a list, or one row that is not in a list.
func (a *answer) rows() (all []json.RawMessage) {
	if len(a.data) > 0 {
		return []json.RawMessage{a.top["data"]}
	}
	if json.Unmarshal(a.top["data"], &all) != nil {
		return nil
	}
	return all
}

func (a *answer) hasEmptyList() bool {
	var all []json.RawMessage
	return json.Unmarshal(a.top["data"], &all) == nil && all != nil && len(all) == 0
}

// readRecord reads one row. A row without an out_trade_no is an error: it could belong to an
// order that would then seem to be missing.
func readRecord(raw json.RawMessage) (Record, error) {
	m, err := parseObject(raw)
	if err != nil {
		return Record{}, err
	}
	m.data = nil
	row := Record{
		Syssn: m.text("syssn"), OutTradeNo: m.value("out_trade_no"), PayType: PayType(strings.TrimSpace(m.value("pay_type"))),
		OrderType: strings.TrimSpace(m.value("order_type")), TxAmt: m.value("txamt"), TxCurrCd: m.value("txcurrcd"),
		TxDtm: m.text("txdtm"), SysDtm: m.text("sysdtm"), RespCd: respCdOf(m.value("respcd")),
		ErrMsg: m.text("errmsg"), Cancel: m.value("cancel"), ChnlSn: m.text("chnlsn"), PayDtm: m.text("paydtm"), Body: string(raw),
	}
	if m.err != nil {
		return Record{}, m.err
	}
	if row.OutTradeNo == "" {
		return Record{}, fmt.Errorf("no out_trade_no")
	}
	return row, nil
}
