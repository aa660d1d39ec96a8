package simulator

import (
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/qfpay-worker/qfpay-worker/qfpay"
)

// maxPage is QFPay's maximum of page_size; larger values are reduced to it.
const maxPage = 100

// query answers a query with rows of orders, newest first.
func (b *books) query(in arrival) answer {
	p, now := in.request.params, in.due
	for _, name := range []string{"syssn", "out_trade_no", "pay_type"} {
		if len(p[name]) > 128 { // the whole comma-separated list
			return refuse("1104", name+": must be at most 128 characters")
		}
	}
	page, size := 1, 10
	if !readCount(p["page"], &page) {
		return refuse("1104", "page: must be a positive integer")
	}
	if !readCount(p["page_size"], &size) {
		return refuse("1104", "page_size: must be a positive integer")
	}
	size = min(size, maxPage)
	w, wrong := readWindow(p, now)
	if wrong != "" {
		return refuse("1104", wrong)
	}
	found := b.find(in.account.AppCode, p, w, now)
	first := min(len(found), (page-1)*size)
	rows := []object{}
	for _, o := range found[first:min(len(found), first+size)] {
		rows = append(rows, b.row(o))
	}
	return answer{status: http.StatusOK, respcd: "0000", fields: object{
		{"respmsg", ""}, {"resperr", respErrOf("0000")}, {"respcd", "0000"},
		{"page", page}, {"page_size", size}, {"data", rows},
	}}
}

func readCount(s string, n *int) bool {
	if s == "" {
		return true
	}
	v, err := strconv.ParseInt(s, 10, 32)
	*n = int(v)
	return err == nil && v > 0 && v < 1e6
}

// window is the range of sysdtm that a query covers, to the second and including both ends,
// and its month.
type window struct {
	month    string
	from, to string
}

// readWindow reads start_time and end_time. Orders are stored by month, so a window must be
// within one month; the default is the current month. According to the pages of 2024, it is
// ignored with syssn or out_trade_no, and to a correction of 2025-05, only with syssn. In
// production a query by syssn came back empty after a change of the month, so it always applies
// here.
func readWindow(p qfpay.Params, now time.Time) (window, string) {
	start, end := p["start_time"], p["end_time"]
	switch {
	case (start == "") != (end == ""):
		return window{}, "start_time and end_time: must be given together"
	case start == "" && p["syssn"] == "" && p["out_trade_no"] == "":
		return window{}, "syssn, out_trade_no, or start_time and end_time: missing"
	case start == "":
		month := now.In(beijing).Format("2006-01")
		return window{month: month, from: month, to: month + "~"}, ""
	}
	for _, name := range []string{"start_time", "end_time"} {
		if _, ok := dateTime(p[name]); !ok {
			return window{}, name + ": must be YYYY-MM-DD HH:mm:ss"
		}
	}
	if start[:7] != end[:7] {
		return window{}, "start_time and end_time: must lie in the same month"
	}
	if end < start {
		return window{}, "end_time: must not be before start_time"
	}
	return window{month: start[:7], from: start, to: end}, ""
}

// find returns the visible orders that match a query, newest first.
func (b *books) find(appCode string, p qfpay.Params, w window, now time.Time) []*Order {
	var found []*Order
	for _, o := range b.candidates(appCode, p, w) {
		o.expire(now)
		if o.AppCode != appCode || o.MchID != p["mchid"] || now.Before(o.Visible) ||
			o.SysDtm < w.from || o.SysDtm > w.to ||
			!listed(p["syssn"], o.Syssn) || !listed(p["out_trade_no"], o.OutTradeNo) ||
			!listed(p["pay_type"], string(o.PayType)) ||
			p["respcd"] != "" && p["respcd"] != string(b.rowRespCd(o)) {
			continue
		}
		found = append(found, o)
	}
	slices.SortStableFunc(found, func(a, b *Order) int { return strings.Compare(b.SysDtm, a.SysDtm) })
	return found
}

// candidates narrows the search with the indexes.
func (b *books) candidates(appCode string, p qfpay.Params, w window) []*Order {
	var all []*Order
	switch {
	case p["syssn"] != "":
		for s := range strings.SplitSeq(p["syssn"], ",") {
			if o := b.ledger.bySyssn[s]; o != nil && !slices.Contains(all, o) {
				all = append(all, o)
			}
		}
	case p["out_trade_no"] != "":
		var asked []string
		for no := range strings.SplitSeq(p["out_trade_no"], ",") {
			if !slices.Contains(asked, no) {
				asked = append(asked, no)
				all = append(all, b.ledger.byNumber[number{appCode, p["mchid"], no}]...)
			}
		}
	default:
		all = b.ledger.byMonth[w.month]
	}
	return all
}

// listed reports whether a comma-separated list contains value, or is empty.
func listed(list, value string) bool {
	return list == "" || slices.Contains(strings.Split(list, ","), value)
}

// rowRespCd returns the respcd of an order's row. The samples have 1145 for an unpaid Alipay
// order and 1143 for WeChat.
func (b *books) rowRespCd(o *Order) qfpay.RespCd {
	switch o.State {
	case Failed:
		return o.RespCd
	case Closed:
		return "1142"
	case Expired:
		return b.config.Expired
	case Created:
		if o.PayType == qfpay.AlipayOverseas || o.PayType == qfpay.AlipayHK {
			return "1145"
		}
		return "1143"
	}
	return "0000" // paid, perhaps refunded
}

// rowCancel: 0 none, 2 cancelled (MPM), 3 refunded, 5 partly refunded.
func rowCancel(o *Order) string {
	switch {
	case o.State == Closed:
		return "2"
	case o.OrderType == typePayment && o.State == Refunded:
		return "3"
	case o.OrderType == typePayment && o.Refunded > 0:
		return "5"
	}
	return "0"
}

// row returns the row of an order in a query. It has no qrcode, because no page, sample or
// capture from 2016 to 2026 has one.
func (b *books) row(o *Order) object {
	var original any // null, except for refunds
	if o.OrigSyssn != "" {
		original = o.OrigSyssn
	}
	respcd := string(b.rowRespCd(o))
	return object{
		{"cardcd", ""}, {"cardtp", ""}, {"cancel", rowCancel(o)},
		{"pay_type", string(o.PayType)}, {"order_type", o.OrderType}, {"clisn", ""},
		{"txdtm", o.TxDtm}, {"goods_detail", ""}, {"out_trade_no", o.OutTradeNo}, {"syssn", o.Syssn},
		{"sysdtm", o.SysDtm}, {"paydtm", o.PayDtm}, {"goods_name", o.GoodsName}, {"goods_info", ""},
		{"txcurrcd", o.TxCurrCd}, {"chnlsn2", ""}, {"udid", o.UDID}, {"userid", ""},
		{"txamt", strconv.FormatInt(o.TxAmt, 10)}, {"chnlsn", ""}, {"respcd", respcd},
		{"errmsg", respErrOf(respcd)}, {"origssn", original}, {"exchange_rate", ""},
		{"cash_fee", ""}, {"cash_fee_type", ""}, {"cash_refund_fee", ""}, {"cash_refund_fee_type", ""},
	}
}
