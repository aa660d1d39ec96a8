package simulator

import (
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// answer is the answer to one request.
type answer struct {
	status     int    // HTTP
	respcd     string // empty for a page of HTML
	fields     object
	done       bool // the request was processed
	stored     bool // an order was stored
	cut        cut
	body       string
	signature  string
	signType   string    // empty: no header
	encoding   string    // Content-Encoding; empty: no header
	at         time.Time // of the answer, by the gateway's clock
	retryAfter string    // Retry-After; empty: no header
}

// cut is how an answer is cut off.
type cut uint8

const (
	uncut    cut = iota
	dropped      // the connection is closed, without an answer
	reset        // the connection is reset, without an answer
	truncate     // half of the body, then the connection is closed
)

// refuse returns a refusal in QFPay's bare envelope, without a syssn.
func refuse(respcd, respmsg string) answer { return envelope(respcd, respErrOf(respcd), respmsg) }

func envelope(respcd, respErr, respMsg string) answer {
	return answer{status: http.StatusOK, respcd: respcd, fields: object{
		{"resperr", respErr}, {"respcd", respcd}, {"respmsg", respMsg},
	}}
}

// texts returns resperr and respmsg of a refusal with a text of its own. In live traffic,
// Chinese stands in resperr, and details in English in respmsg; without a text it is QFPay's.
func texts(respcd, text string) (respErr, respMsg string) {
	switch {
	case text == "":
		return respErrOf(respcd), ""
	case strings.IndexFunc(text, func(r rune) bool { return r > '~' }) >= 0:
		return text, ""
	}
	return "(" + respcd + ")", text
}

// page returns an answer of the web server in front of QFPay.
func page(status int) answer { return answer{status: status} }

// html returns a page of nginx. QFPay documents no body for HTTP errors.
func html(status int) string {
	title := fmt.Sprintf("%d %s", status, http.StatusText(status))
	return "<html>\r\n<head><title>" + title + "</title></head>\r\n<body>\r\n<center><h1>" + title +
		"</h1></center>\r\n<hr><center>nginx</center>\r\n</body>\r\n</html>\r\n"
}

// respErrs are QFPay's texts, shortened, for the codes that the gateway itself sends.
var respErrs = map[string]string{
	"0000": "success",
	"1102": "duplicate request (1102)",
	"1103": "request format error (1103)",
	"1104": "parameter error (1104)",
	"1108": "signature error (1108)",
	"1136": "transaction does not exist (1136)",
	"1181": "order expired (1181)",
	"1251": "Do not use duplicate out_trade_no (1251)",
	"1260": "order already paid (1260)",
	"1261": "order not paid (1261)",
	"1262": "order refunded (1262)",
	"1263": "order cancelled (1263)",
	"1264": "order closed (1264)",
	"1267": "order data mismatch (1267)",
	"1297": "\u94f6\u884c\u7cfb\u7edf\u7e41\u5fd9, bank system busy (1297)",
	"2011": "serial number repeats (2011)",
}

func respErrOf(respcd string) string {
	if text, ok := respErrs[respcd]; ok {
		return text
	}
	return "(" + respcd + ")"
}

// header returns the headers of the answer, as in the sample of the 2018 reference.
func (a answer) header() http.Header {
	h := http.Header{"Server": {"nginx"}, "Content-Type": {"text/html"}, "Date": {a.at.UTC().Format(http.TimeFormat)}}
	if a.fields != nil {
		h.Set("Content-Type", "application/json; charset=UTF-8")
		h.Set("X-Powered-By", "QF/1.1")
	}
	if a.signature != "" {
		h.Set("X-QF-SIGN", a.signature)
	}
	if a.signType != "" {
		h.Set("X-QF-SIGNTYPE", a.signType)
	}
	if a.encoding != "" {
		h.Set("Content-Encoding", a.encoding)
	}
	if a.status >= 300 && a.status < 400 {
		h.Set("Location", "https://login.invalid/")
	}
	if a.retryAfter != "" {
		h.Set("Retry-After", a.retryAfter)
	}
	h.Set("Content-Length", strconv.Itoa(len(a.body)))
	return h
}
