package qfpay

import (
	"errors"
	"fmt"
	"time"
)

const (
	maxAnswer    = 64 << 10 // of a create, a close or a reversal; real answers have about 500 bytes
	maxErrorBody = 64 << 10 // the part of an answer that an error keeps
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

// readAnswer reads the answer, or returns the error that says what is certain. It checks the
// signature, then the status, then the JSON.
func (c *Client) readAnswer(r request, s exchange) (*answer, error) {
	doubt := func(reason string, err error) error {
		return &Unanswered{Endpoint: string(r.endpoint), Reason: reason, HTTPStatus: s.status, Body: clip(s.body), Err: err}
	}
	if s.signature == SignatureWrong && c.verify() == VerifyStrict {
		return nil, doubt(reasonWrongSignature, errors.New("the signature of the answer is not ours"))
	}
	switch class := classifyStatus(s.status); class {
	case statusOK:
	case statusThrottled:
		return nil, &Throttled{Endpoint: string(r.endpoint), RetryAfter: retryAfter(s.header, time.Now()), ByGateway: true}
	case statusHold, statusRefused:
		return nil, refusalOfStatus(r, s, class)
	default:
		return nil, doubt(statusResult(s.status), fmt.Errorf("HTTP %d", s.status))
	}
	a, err := parseAnswer(s)
	if err != nil {
		return nil, doubt(reasonBadAnswer, err)
	}
	return a, nil
}

// parseAnswer reads the members that every answer has.
func parseAnswer(s exchange) (*answer, error) {
	m, err := parseObject(s.body)
	if err != nil {
		return nil, err
	}
	a := &answer{jsonObject: m, status: s.status, signature: s.signature, body: s.body}
	a.respCd = RespCd(m.text("respcd"))
	a.respErr, a.respMsg, a.syssn = m.text("resperr"), m.text("respmsg"), m.text("syssn")
	switch {
	case m.err != nil:
		return nil, m.err
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
	if class == Done || class == Busy && a.syssn != "" {
		return Doubt
	}
	return class
}

// refusal returns the error for an answer that is not a success.
func (a *answer) refusal(r request) error {
	return &Refusal{
		Endpoint: string(r.endpoint), RespCd: a.respCd, RespMsg: a.respMsg, RespErr: a.respErr, Syssn: a.syssn,
		HTTPStatus: a.status, Class: a.class(r.udid), Body: clip(a.body),
	}
}

// doubt returns the error for an answer that cannot be trusted.
func (a *answer) doubt(r request, reason, why string) error {
	return &Unanswered{Endpoint: string(r.endpoint), Reason: reason, HTTPStatus: a.status, Body: clip(a.body), Err: errors.New(why)}
}
