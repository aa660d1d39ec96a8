package simulator

import (
	"net/http"
	"slices"
)

// decide runs the general checks on a request, and then processes it.
func (b *books) decide(in arrival) answer {
	q, e := in.request, in.effect
	switch {
	case q.status != 0:
		return page(q.status)
	case in.wait > 0:
		a := page(http.StatusTooManyRequests)
		if b.config.RetryAfter {
			a.retryAfter = in.wait
		}
		return a
	case e.notDone && e.respcd == "":
		return page(e.status)
	}
	if a, ok := in.admitted(); !ok {
		return a
	}
	if e.notDone {
		return refuse(e.respcd, "")
	}
	a := b.perform(in)
	a.done = true
	return spoil(a, in)
}

// admitted checks the credentials. The signature comes before the other parameters, because
// only a valid signature proves that they are the merchant's. Empty values are refused even
// earlier: documents contradict each other on whether they are signed, and the clearest advice
// to a client is not to send them.
func (in arrival) admitted() (answer, bool) {
	q := in.request
	switch {
	case q.appCode == "":
		return refuse("1108", "X-QF-APPCODE: missing"), false
	case !in.known:
		return refuse("1108", "X-QF-APPCODE: not known"), false
	case q.unread != "":
		return refuse("1103", q.unread), false
	case !knownSignType(q.signType):
		return refuse("1108", "X-QF-SIGNTYPE: must be SHA256 or MD5"), false
	}
	if name := emptyParam(q.params); name != "" {
		return refuse("1104", name+": must not be empty"), false
	}
	if !in.signed {
		return refuse("1108", ""), false
	}
	// In live traffic, a wrong mchid gets 1108 with a text that says so.
	mchID, sent := q.params["mchid"]
	switch {
	case sent && len(in.account.MchIDs) == 0:
		return refuse("1108", "mchid: none was issued, so none may be sent"), false
	case !sent && len(in.account.MchIDs) > 0:
		return refuse("1108", "mchid: missing"), false
	case sent && !slices.Contains(in.account.MchIDs, mchID):
		return refuse("1108", "mchid: illegal"), false
	}
	return answer{}, true
}

func (b *books) perform(in arrival) answer {
	switch in.request.endpoint {
	case endpointPayment:
		return b.create(in)
	case endpointQuery:
		return b.query(in)
	case endpointRefund:
		return b.refund(in)
	default:
		return b.cancel(in)
	}
}

// spoil applies a fault to the answer of a successful request. A refusal stays as it is.
func spoil(a answer, in arrival) answer {
	e := in.effect
	if e.status != 0 {
		return answer{status: e.status, done: a.done, stored: a.stored}
	}
	if a.respcd != "0000" {
		return a
	}
	if e.respcd != "" {
		bare := refuse(e.respcd, "")
		bare.done, bare.stored = a.done, a.stored
		if e.aftermath == unsaidOrder || in.request.endpoint == endpointQuery {
			return bare
		}
		a.respcd = e.respcd
		a.fields = without(a.fields, "qrcode").set("respcd", e.respcd).set("resperr", respErr(e.respcd))
	}
	if e.noQRCode {
		a.fields = without(a.fields, "qrcode")
	}
	if e.wrongEcho && in.request.endpoint == endpointPayment {
		a.fields = a.fields.set("out_trade_no", in.request.params["out_trade_no"]+"0")
	}
	return a
}

func without(o object, name string) object {
	return slices.DeleteFunc(o, func(f field) bool { return f.name == name })
}
