package qfpay

import (
	"errors"
	"fmt"
	"net/http"
	"regexp"
	"strings"
	"time"
	"unicode"
)

// Refusal is a valid answer that is not a success: QFPay's own word, a respcd other than 0000.
// Its Class says what it means for the order. Not every refusal means that the gateway did
// nothing.
type Refusal struct {
	Endpoint   string // payment, query, close or reversal
	RespCd     RespCd // never empty: an HTTP status without a respcd is Unanswered
	RespMsg    string
	RespErr    string
	Syssn      string // if not empty, the gateway has stored an order under this out_trade_no
	HTTPStatus int
	Class      Class
	Signature  Signature
	Body       []byte // the answer as received, at most 64 KiB
}

// Error implements error.
func (e *Refusal) Error() string {
	return fmt.Sprintf("qfpay: %s: %s", e.Endpoint, AnswerOf(e))
}

// Throttled means that a call was not processed because the quota was used up: the limiter
// did not allow it, or the gateway answered HTTP 429, which QFPay's guidelines define as not
// processed.
type Throttled struct {
	Endpoint   string
	RetryAfter time.Duration // how long to wait; 0 if the gateway did not say
	ByGateway  bool          // HTTP 429; otherwise it was the limiter, and nothing was sent
	Body       []byte        // of HTTP 429
}

// Error implements error.
func (e *Throttled) Error() string {
	by := "limiter"
	if e.ByGateway {
		by = "gateway (HTTP 429)"
	}
	return fmt.Sprintf("qfpay: %s: throttled by the %s, retry after %s", e.Endpoint, by, e.RetryAfter)
}

// NotSent means that no byte of a call was sent, so it was certainly not processed.
type NotSent struct {
	Endpoint string
	Err      error
}

// Error implements error.
func (e *NotSent) Error() string { return fmt.Sprintf("qfpay: %s: not sent: %v", e.Endpoint, e.Err) }

// Unwrap returns the cause, for [errors.Is] and [errors.As].
func (e *NotSent) Unwrap() error { return e.Err }

// Unanswered means that a call may have been processed: all or part of it was sent, and there is
// no answer, or none that says what became of it. Only a query can show what happened. What the
// answer said, if there was one, is in the fields.
type Unanswered struct {
	Endpoint   string
	Reason     string // one of CallResults: timeout, reset, http_502, bad_answer, wrong_echo, …
	HTTPStatus int    // 0 if there was no answer
	RespCd     RespCd // empty if the answer had none that could be read
	RespMsg    string
	RespErr    string
	Syssn      string
	Signature  Signature
	RetryAfter time.Duration // 0 if the answer did not say
	Body       []byte        // the received part of an answer, at most 64 KiB
	Err        error
}

// Error implements error.
func (e *Unanswered) Error() string {
	if e.HTTPStatus == 0 {
		return fmt.Sprintf("qfpay: %s: sent, and no answer came (%s): %v", e.Endpoint, e.Reason, e.Err)
	}
	return fmt.Sprintf("qfpay: %s: answered, but not what became of the call (%s): %v%s", e.Endpoint, e.Reason, e.Err, e.words())
}

// codes finds members that may hold the text of a QR code, which is worth as much as the code.
var codes = regexp.MustCompile(`(?i)("[a-z_]*(?:qr|code|url|link|pay)[a-z_]*"\s*:\s*")[^"]*`)

// words returns the respcd, or else how the body begins.
func (e *Unanswered) words() string {
	if e.RespCd != "" {
		return ": " + codeWords(e.RespCd, e.RespErr, e.RespMsg)
	}
	if head := oneLine(string(codes.ReplaceAll(e.Body[:min(len(e.Body), 8*maxWords)], []byte("$1…")))); head != "" {
		return fmt.Sprintf("; the answer begins %q", head)
	}
	return ""
}

// Unwrap returns the cause, for [errors.Is] and [errors.As].
func (e *Unanswered) Unwrap() error { return e.Err }

// Answer is what came back of a call that brought no success, or why nothing did.
type Answer struct {
	HTTPStatus int // 0 if no answer came
	RespCd     RespCd
	RespErr    string
	RespMsg    string
	Syssn      string
	Signature  Signature
	Body       []byte // as received, at most 64 KiB
	Cause      string // beside the respcd, or without one: a short text on one line
}

// AnswerOf returns what an error of a call holds of an answer, and the zero Answer for an error
// that is not of a call.
func AnswerOf(err error) Answer {
	var (
		refusal    *Refusal
		unanswered *Unanswered
		notSent    *NotSent
		throttled  *Throttled
	)
	switch {
	case errors.As(err, &refusal):
		return Answer{HTTPStatus: refusal.HTTPStatus, RespCd: refusal.RespCd, RespErr: refusal.RespErr, RespMsg: refusal.RespMsg,
			Syssn: refusal.Syssn, Signature: refusal.Signature, Body: refusal.Body}
	case errors.As(err, &unanswered):
		a := Answer{HTTPStatus: unanswered.HTTPStatus, RespCd: unanswered.RespCd, RespErr: unanswered.RespErr, RespMsg: unanswered.RespMsg,
			Syssn: unanswered.Syssn, Signature: unanswered.Signature, Body: unanswered.Body}
		a.Cause = oneLine(fmt.Sprintf("%s: %v", unanswered.Reason, unanswered.Err))
		if a.HTTPStatus != 0 && a.RespCd == "" {
			a.Cause += oneLine(unanswered.words())
		}
		return a
	case errors.As(err, &throttled) && throttled.ByGateway:
		return Answer{HTTPStatus: http.StatusTooManyRequests, Body: throttled.Body, Cause: "HTTP 429"}
	case errors.As(err, &notSent):
		return Answer{Cause: oneLine("not sent: " + notSent.Err.Error())}
	}
	return Answer{}
}

// String returns the answer in a few words on one line.
func (a Answer) String() string {
	switch {
	case a.RespCd == "":
		return a.Cause
	case a.Cause == "":
		return codeWords(a.RespCd, a.RespErr, a.RespMsg)
	}
	return codeWords(a.RespCd, a.RespErr, a.RespMsg) + "; " + a.Cause
}

func codeWords(code RespCd, respErr, respMsg string) string {
	words := fmt.Sprintf("respcd %s (%s)", oneLine(string(code)), code.Meaning())
	if more := oneLine(respErr + " " + respMsg); more != "" {
		words += ": " + more
	}
	return words
}

// maxWords is the part of a foreign text that an error message shows.
const maxWords = 160

// oneLine returns the beginning of a text that came from outside, on one line. White space of
// any kind becomes one space, and what cannot be printed is dropped.
func oneLine(text string) string {
	text = text[:min(len(text), 8*maxWords)]
	clean := strings.Map(func(r rune) rune {
		switch {
		case unicode.IsSpace(r):
			return ' '
		case !unicode.IsPrint(r), r == unicode.ReplacementChar:
			return -1
		}
		return r
	}, text)
	runes := []rune(strings.Join(strings.Fields(clean), " "))
	if len(runes) > maxWords {
		return string(runes[:maxWords]) + "…"
	}
	return string(runes)
}
