package simulator

import (
	"net/http"
	"slices"
)

// decide runs the general checks on a request, and then processes it.
func (g *Gateway) decide(x *exchange) answer {
	q, e := x.request, x.effect
	switch {
	case q.status != 0:
		return page(q.status)
	case x.wait > 0:
		a := page(http.StatusTooManyRequests)
		if g.config.RetryAfter {
			a.retryAfter = x.wait
		}
		return a
	case e.notDone && e.respcd == "":
		return page(e.status)
	}
	if a, ok := x.admitted(); !ok {
		return a
	}
	if e.notDone {
		return refuse(e.respcd, "")
	}
	a := g.perform(x)
	a.done = true
	return spoil(a, x)
}

// admitted checks the credentials. The signature comes before the other parameters, because
// only a valid signature proves that they are the merchant's. Empty values are refused even
// earlier: documents contradict each other on whether they are signed, and the clearest advice
// to a client is not to send them.
func (x *exchange) admitted() (answer, bool) {
	q := x.request
	switch {
	case q.appCode == "":
		return refuse("1108", "X-QF-APPCODE: missing"), false
	case !x.known:
		return refuse("1108", "X-QF-APPCODE: not known"), false
	case q.unread != "":
		return refuse("1103", q.unread), false
	case !knownSignType(q.signType):
		return refuse("1108", "X-QF-SIGNTYPE: must be SHA256 or MD5"), false
	}
	if name := emptyParam(q.params); name != "" {
		return refuse("1104", name+": must not be empty"), false
	}
	if !x.call.DigestOK {
		return refuse("1108", ""), false
	}
	// In live traffic, a wrong mchid gets 1108 with a text that says so.
	mchID, sent := q.params["mchid"]
	switch {
	case sent && len(x.account.MchIDs) == 0:
		return refuse("1108", "mchid: none was issued, so none may be sent"), false
	case !sent && len(x.account.MchIDs) > 0:
		return refuse("1108", "mchid: missing"), false
	case sent && !slices.Contains(x.account.MchIDs, mchID):
		return refuse("1108", "mchid: illegal"), false
	}
	return answer{}, true
}

func (g *Gateway) perform(x *exchange) answer {
	switch x.request.endpoint {
	case endpointPayment:
		return g.create(x)
	case endpointQuery:
		return g.query(x)
	case endpointRefund:
		return g.refund(x)
	default:
		return g.cancel(x)
	}
}

// spoil applies a fault to the answer of a successful request. A refusal stays as it is.
func spoil(a answer, x *exchange) answer {
	e := x.effect
	if e.status != 0 {
		return answer{status: e.status, done: a.done, stored: a.stored}
	}
	if a.respcd != "0000" {
		return a
	}
	if e.respcd != "" {
		bare := refuse(e.respcd, "")
		bare.done, bare.stored = a.done, a.stored
		if e.aftermath == unsaidOrder || x.request.endpoint == endpointQuery {
			return bare
		}
		a.respcd = e.respcd
		a.fields = without(a.fields, "qrcode").set("respcd", e.respcd).set("resperr", respErr(e.respcd))
	}
	if e.noQRCode {
		a.fields = without(a.fields, "qrcode")
	}
	if e.wrongEcho && x.request.endpoint == endpointPayment {
		a.fields = a.fields.set("out_trade_no", x.request.params["out_trade_no"]+"0")
	}
	return a
}

func without(o object, name string) object {
	return slices.DeleteFunc(o, func(f field) bool { return f.name == name })
}
