package policy

import (
	"strings"
	"time"

	"github.com/qfpay-worker/qfpay-worker/qfpay"
)

// Answer is what came of a create, as the journal keeps it: QFPay's answer, or why none came.
type Answer struct {
	At         time.Time       `json:"at"`
	IssuedAs   string          `json:"issued_as"`
	HTTPStatus int             `json:"http_status,omitempty"` // 0: no answer came
	RespCd     string          `json:"respcd,omitempty"`
	RespErr    string          `json:"resperr,omitempty"`
	RespMsg    string          `json:"respmsg,omitempty"`
	Syssn      string          `json:"syssn,omitempty"`
	Signature  qfpay.Signature `json:"signature,omitempty"`
	Cause      string          `json:"cause,omitempty"` // why there is no answer, or why it says too little
	Body       string          `json:"body,omitempty"`  // as received, at most 4 KiB
}

// maxBody is the part of a body that the journal keeps. A real answer has about 500 bytes.
const maxBody = 4 << 10

// NewAnswer returns what the journal keeps of an answer to a create.
func NewAnswer(a qfpay.Answer, issuedAs string, at time.Time) Answer {
	return Answer{At: at.UTC().Truncate(time.Millisecond), IssuedAs: issuedAs, HTTPStatus: a.HTTPStatus, RespCd: string(a.RespCd),
		RespErr: a.RespErr, RespMsg: a.RespMsg, Syssn: a.Syssn, Signature: a.Signature, Cause: a.Cause, Body: Clip(string(a.Body))}
}

// Words returns the answer in a few words on one line.
func (a *Answer) Words() string {
	return qfpay.Answer{RespCd: qfpay.RespCd(a.RespCd), RespErr: a.RespErr, RespMsg: a.RespMsg, Cause: a.Cause}.String()
}

// Clip returns the part of a text from outside that the journal keeps, as valid UTF-8.
func Clip(text string) string { return strings.ToValidUTF8(text[:min(len(text), maxBody)], "\uFFFD") }
