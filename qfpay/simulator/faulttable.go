package simulator

// faultTable lists the faults with a fixed name, by kind. If a fault is possible before and after the
// request is processed, the name of the latter ends in _after. With at, a fault happens only at
// these endpoints. The faults whose names contain a number are in faultname.go.
var faultTable = []struct {
	kind  string
	at    []string // endpoints; nil: all
	lines []faultLine
}{
	{"The connection", nil, []faultLine{
		{"unreachable", "no connection; on a port, where the request has arrived by then, as drop", effect{unreachable: true, notDone: true, cut: dropped}},
		{"drop", "the connection is closed, nothing is carried out", effect{notDone: true, cut: dropped}},
		{"drop_after", "carried out, then the connection is closed without an answer", effect{cut: dropped}},
		{"reset", "the connection is reset, nothing is carried out", effect{notDone: true, cut: reset}},
		{"reset_after", "carried out, then the connection is reset", effect{cut: reset}},
		{"land_late", "carried out only after Late, when the caller has given up", effect{lateLanding: true}},
		{"answer_late", "carried out at once, answered only after Late", effect{lateAnswer: true}},
		{"truncated", "carried out, half of the answer's body arrives", effect{cut: truncate}},
	}},
	{"What stands between, and how an answer travels", nil, []faultLine{
		{"html", "HTTP 200 with a page of HTML, nothing is carried out", effect{notDone: true, status: 200, page: true}},
		{"html_after", "carried out, then HTTP 200 with a page of HTML", effect{status: 200, page: true}},
		{"empty_body", "carried out, then HTTP 200 without a body", effect{transfer: emptyBody}},
		{"gzip", "the answer is compressed, though nobody asked for it", effect{transfer: gzipped}},
		{"gzip_unsaid", "compressed, and no header says so", effect{transfer: gzippedUnsaid}},
		{"gzip_untrue", "a header says that it is compressed, and it is not", effect{transfer: encodedAs("gzip")}},
		{"encoding_odd", "Content-Encoding: UTF-8", effect{transfer: encodedAs("UTF-8")}},
		{"bom", "a byte order mark before the JSON", effect{transfer: withBOM}},
	}},
	{"Types and notations, in answers and in rows", nil, []faultLine{
		{"txamt_number", "txamt is a number", effect{alter: member("txamt", bare)}},
		{"txamt_float", "txamt is a number with a point: 2500.0", effect{alter: member("txamt", float)}},
		{"txamt_zeros", `txamt has leading zeros: "000000002500"`, effect{alter: member("txamt", zeros)}},
		{"txamt_major", `txamt is in the major unit: "25.00"`, effect{alter: member("txamt", major)}},
		{"currency_lower", "txcurrcd is in lower case: hkd", effect{alter: member("txcurrcd", lower)}},
		{"currency_number", "txcurrcd is ISO's number: 344", effect{alter: member("txcurrcd", currencyNumber)}},
		{"number_case", "out_trade_no is in the other case", effect{alter: member("out_trade_no", otherCase)}},
		{"respmsg_list", "respmsg is []", effect{alter: member("respmsg", always(raw("[]")))}},
		{"respmsg_false", "respmsg is false", effect{alter: member("respmsg", always(raw("false")))}},
		{"chnlsn_false", "chnlsn is false", effect{alter: member("chnlsn", always(raw("false")))}},
		{"sysdtm_object", "sysdtm is {}", effect{alter: member("sysdtm", always(object{}))}},
	}},
	{"Signatures, and somebody on the way who has no key", nil, []faultLine{
		{"bad_signature", "carried out, answered with a wrong signature", effect{sign: SignWrong}},
		{"no_signature", "carried out, answered without a signature", effect{sign: SignNone}},
		{"reflected", "nothing is carried out; a forged answer has the request's parameters in data, and the request's signature", effect{notDone: true, forge: reflect}},
		{"reflected_after", "carried out, then answered as by reflected", effect{forge: reflect}},
		{"stripped_after", "carried out, then members are forged and the signature is taken away", effect{forge: strip}},
		{"outside_data", "carried out, signed in data, and forged members beside it", effect{sign: SignSortedData, forge: addOutside}},
		{"replayed", "carried out, then answered with an earlier signed answer about another order", effect{forge: replay(false)}},
		{"replayed_older", "carried out, then answered with the first signed answer about the same order", effect{forge: replay(true)}},
	}},
	{"Creates", []string{endpointPayment}, []faultLine{
		{"no_qrcode", "created, respcd 0000, and no qrcode in the answer", effect{alter: drop("qrcode")}},
		{"code_url", "created, and the code is in code_url; there is no qrcode", effect{alter: rename("qrcode", "code_url")}},
		{"qrcode_newline", "created, and a newline follows the code", effect{alter: member("qrcode", newline)}},
		{"wrong_echo", "created, and the answer speaks of another order", effect{alter: member("out_trade_no", another)}},
		{"slow_visibility", "created, but queries do not show it until after Late", effect{hidden: true}},
		{"notify_first", "created and paid at once; the notification goes out a second before the answer", effect{paidFirst: true}},
	}},
	{"Queries", []string{endpointQuery}, []faultLine{
		{"data_missing", "respcd 0000 without data", effect{alter: drop("data")}},
		{"data_null", "respcd 0000, data is null", effect{alter: member("data", always(nil))}},
		{"data_object", "data is one row in place of a list, or {}", effect{alter: member("data", firstRow)}},
		{"data_renamed", "the rows are in list in place of data", effect{alter: rename("data", "list")}},
		{"order_type_odd", "order_type is trade", effect{alter: member("order_type", always("trade"))}},
		{"page_text", "page and page_size are text", effect{alter: pagesAsText}},
	}},
	{"Closes and reversals", []string{endpointClose, endpointReversal}, []faultLine{
		{"unscanned", "respcd 1136, an order that nobody has scanned is not closed", effect{unscanned: true}},
		{"young", "respcd 1146, an order of WeChat is not closed within 5 minutes of its creation", effect{young: true}},
	}},
}

// faultLine is one fault of the table.
type faultLine struct {
	name   Fault
	does   string
	effect effect
}

// The faults of notifications, drawn when a notification is made. They are independent of the
// fault of the call, and of each other.
const (
	notifyLost         Fault = "notify_lost"
	notifyMissed       Fault = "notify_missed"
	notifyLate         Fault = "notify_late"
	notifyReordered    Fault = "notify_reordered"
	notifyTwice        Fault = "notify_twice"
	notifyBadSignature Fault = "notify_bad_signature"
	notifyForged       Fault = "notify_forged"
	notifyCancel       Fault = "notify_cancel"
)

// notifyFaults explains them.
var notifyFaults = []struct {
	name Fault
	does string
}{
	{notifyLost, "a notification never arrives"},
	{notifyMissed, "the first attempt does not arrive, and the others follow by QFPay's schedule, from 2 minutes on"},
	{notifyLate, "a notification is sent only after Late"},
	{notifyReordered, "a notification is sent after the next one, at most Late later"},
	{notifyTwice, "a notification is sent twice"},
	{notifyBadSignature, "a notification is sent with a wrong signature"},
	{notifyForged, "somebody without the key notifies of an order that was created and not paid"},
	{notifyCancel, "notify_type of a refund is cancel, as it was until January 2026"},
}
