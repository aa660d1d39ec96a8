package qfpay

import (
	"errors"
	"net/http"
	"time"
)

// answer is a JSON answer with a respcd.
type answer struct {
	jsonObject
	respCd    RespCd
	respErr   string
	respMsg   string
	syssn     string
	status    int
	signature Signature
	body      []byte
}

// readAnswer reads the answer, or returns the error that says what is certain.
//
// QFPay's own words are a respcd, and HTTP 429. A status alone comes as often from a proxy or a
// firewall on the way back, after QFPay has stored the order, so it proves nothing. Nor does a
// success that comes with an HTTP error, or any respcd with a 5xx.
func (c *Client) readAnswer(r request, s exchange) (*answer, error) {
	if s.signature.forged() && c.distrusts() {
		return nil, unreadable(r, s, reasonWrongSignature, errors.New("the signature of the answer is "+string(s.signature)))
	}
	if s.status == http.StatusTooManyRequests {
		return nil, &Throttled{Endpoint: string(r.endpoint), RetryAfter: retryAfter(s.header, time.Now()), ByGateway: true, Body: clip(s.body)}
	}
	a, err := parseAnswer(s)
	isOK := s.status >= 200 && s.status < 300
	switch {
	case err != nil && isOK:
		return nil, unreadable(r, s, reasonBadAnswer, err)
	case err != nil:
		return nil, unreadable(r, s, statusResult(s.status), statusError(s))
	case s.signature == SignatureAbsent && c.requiresSignature():
		return nil, a.doubt(r, reasonUnsigned, "the answer is not signed")
	case !isOK && (s.status < 400 || s.status >= 500 || a.respCd.isSuccess()):
		return nil, a.doubt(r, statusResult(s.status), statusError(s).Error())
	}
	return a, nil
}

// parseAnswer reads the members that every answer has. If the signature covers data alone, only
// data is read.
func parseAnswer(s exchange) (*answer, error) {
	m, err := parseObject(s.body)
	if err != nil {
		return nil, err
	}
	if s.scheme.coversData() {
		m = jsonObject{top: m.data}
	}
	a := &answer{jsonObject: m, status: s.status, signature: s.signature, body: s.body}
	a.respCd = respCdOf(a.value("respcd"))
	a.respErr, a.respMsg, a.syssn = a.text("resperr"), a.text("respmsg"), a.text("syssn")
	switch {
	case a.err != nil:
		return nil, a.err
	case a.respCd == "":
		return nil, errors.New("the answer has no respcd")
	}
	return a, nil
}

// class returns what the answer means for a create that did not succeed. If it has a syssn,
// QFPay has stored an order under the order number, so "not accepted" cannot be true. A
// success that is not a Payment is a doubt.
func (a *answer) class(udid bool) Class {
	class := a.respCd.Class(Hint{Text: a.respMsg + " " + a.respErr, UDID: udid})
	if class == Done || a.syssn != "" && (class == Busy || class == Hold) {
		return Doubt
	}
	return class
}

// refusal returns the error for an answer that is not a success.
func (a *answer) refusal(r request) error {
	return &Refusal{
		Endpoint: string(r.endpoint), RespCd: a.respCd, RespMsg: a.respMsg, RespErr: a.respErr, Syssn: a.syssn,
		HTTPStatus: a.status, Class: a.class(r.udid), Signature: a.signature, Body: clip(a.body),
	}
}

// doubt returns the error for an answer that cannot be trusted.
func (a *answer) doubt(r request, reason, why string) error {
	return &Unanswered{
		Endpoint: string(r.endpoint), Reason: reason, RespCd: a.respCd, RespMsg: a.respMsg, RespErr: a.respErr, Syssn: a.syssn,
		HTTPStatus: a.status, Signature: a.signature, Body: clip(a.body), Err: errors.New(why),
	}
}
