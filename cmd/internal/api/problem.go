package api

import (
	"encoding/json"
	"errors"
	"net/http"

	"github.com/qfpay-worker/qfpay-worker/qfpay"
	"github.com/qfpay-worker/qfpay-worker/tasks"
)

// problem is an answer that is not a yes, as RFC 9457 has it. Its type is left out:
// the status says which problem it is.
type problem struct {
	Title  string `json:"title"` // the status in words; filled in when it is written
	Status int    `json:"status"`
	Detail string `json:"detail"` // what is wrong and what to do

	Errors  []fieldError `json:"errors,omitempty"` // of an order that is not valid
	ID      string       `json:"id,omitempty"`     // of the order that is there already
	State   string       `json:"state,omitempty"`  // of that order
	Outcome string       `json:"outcome,omitempty"`
}

// fieldError is one thing that is wrong with an order.
type fieldError struct {
	Field string `json:"field"`
	Value string `json:"value,omitempty"` // as given, shortened; left out when absent
	Rule  string `json:"rule"`
}

// titled fills in the title.
func (p problem) titled() problem {
	p.Title = http.StatusText(p.Status)
	return p
}

// answerProblem answers with a problem.
func answerProblem(w http.ResponseWriter, p problem) {
	answer(w, p.Status, "application/problem+json", p.titled())
}

// answer answers in JSON that nobody may keep.
func answer(w http.ResponseWriter, status int, contentType string, body any) {
	w.Header().Set("Content-Type", contentType)
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(status)
	encoderOf(w).Encode(body) // its error is that the caller has gone
}

// encoderOf leaves the text of QR codes as it is; there is an & in most.
func encoderOf(w interface{ Write([]byte) (int, error) }) *json.Encoder {
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false)
	return e
}

// unreadable says what is wrong with a text that is no valid order. The detail is what
// every other door says of it.
func unreadable(err error) problem {
	if errors.Is(err, tasks.ErrOrderTooLong) {
		return problem{Status: http.StatusRequestEntityTooLarge, Detail: err.Error()}
	}
	if invalid, ok := errors.AsType[qfpay.FieldErrors](err); ok {
		p := problem{Status: http.StatusUnprocessableEntity, Detail: err.Error()}
		for _, e := range invalid {
			p.Errors = append(p.Errors, fieldError(e))
		}
		return p
	}
	return problem{Status: http.StatusBadRequest, Detail: err.Error()}
}

// refused says why an order was not accepted. An error of Redis is for the log: it
// may name hosts.
func refused(err error) problem {
	if _, ok := errors.AsType[qfpay.FieldErrors](err); ok {
		return unreadable(err)
	}
	if conflict, ok := errors.AsType[*tasks.ConflictError](err); ok {
		return problem{Status: http.StatusConflict, Detail: err.Error(), ID: conflict.ID, State: conflict.State}
	}
	return problem{Status: http.StatusServiceUnavailable,
		Detail: unavailable(err) + "; send it again: it is safe, and an order that was accepted counts as duplicate"}
}

// unavailable says why nothing can be accepted now.
func unavailable(err error) string {
	if full, ok := errors.AsType[*tasks.HighWaterError](err); ok {
		return full.Error()
	}
	return "Redis does not answer"
}
