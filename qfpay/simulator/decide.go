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
		return page(http.StatusTooManyRequests)
	case e.notDone && e.respcd == "":
		return page(e.status)
	}
	if a, ok := in.admitted(); !ok {
		return a
	}
	if e.notDone {
		return e.refusal()
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

// spoil applies a fault to the answer of a request that was carried out. A refusal stays as it
// is, unless a page of HTML comes in its place.
func spoil(a answer, in arrival) answer {
	e := in.effect
	switch {
	case e.page:
		return answer{status: e.status, done: a.done, stored: a.stored}
	case a.respcd != "0000":
		return a
	case e.respcd != "" && (e.aftermath == unsaidOrder || in.request.endpoint == endpointQuery):
		bare := e.refusal()
		bare.done, bare.stored = a.done, a.stored
		return bare
	case e.respcd != "":
		respErr, respMsg := texts(e.respcd, e.text)
		a.respcd = e.respcd
		a.fields = without(a.fields, "qrcode").set("respcd", e.respcd).set("resperr", respErr).set("respmsg", respMsg)
	}
	if e.status != 0 {
		a.status = e.status
	}
	if e.alter != nil {
		a.fields = e.alter(a.fields)
	}
	return a
}

// refusal returns the refusal that a fault answers with.
func (e effect) refusal() answer {
	respErr, respMsg := texts(e.respcd, e.text)
	a := envelope(e.respcd, respErr, respMsg)
	if e.status != 0 {
		a.status = e.status
	}
	return a
}
