package api

import (
	"bytes"
	"encoding/json"
	"errors"
	"net/http"
	"strconv"

	"github.com/redis/go-redis/v9"

	"github.com/qfpay-worker/qfpay-worker/cmd/internal/conns"
	"github.com/qfpay-worker/qfpay-worker/qfpay"
	"github.com/qfpay-worker/qfpay-worker/tasks"
)

// problem is an error according to RFC 9457. It has no type, because the status is enough.
type problem struct {
	Title  string `json:"title"` // the status in words; set when the problem is written
	Status int    `json:"status"`
	Detail string `json:"detail"` // what is wrong and what to do

	Errors  []fieldError `json:"errors,omitempty"` // of an invalid order
	ID      string       `json:"id,omitempty"`     // of the existing order
	State   string       `json:"state,omitempty"`  // of that order
	Outcome string       `json:"outcome,omitempty"`
}

// fieldError is one problem of an order.
type fieldError struct {
	Field string `json:"field"`
	Value string `json:"value,omitempty"` // as given, shortened; omitted if there is none
	Rule  string `json:"rule"`
}

// titled returns p with its title.
func (p problem) titled() problem {
	p.Title = http.StatusText(p.Status)
	return p
}

// answerProblem answers with a problem.
func answerProblem(w http.ResponseWriter, p problem) {
	answer(w, p.Status, conns.ProblemType, p.titled())
}

// answer writes a JSON answer that must not be cached.
func answer(w http.ResponseWriter, status int, contentType string, body any) {
	var text bytes.Buffer
	encoderOf(&text).Encode(body) // no type of ours fails
	answerText(w, status, contentType, text.Bytes())
}

// answerText writes an answer that must not be cached.
func answerText(w http.ResponseWriter, status int, contentType string, text []byte) {
	w.Header().Set("Content-Type", contentType)
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	w.Header().Set("Content-Length", strconv.Itoa(len(text)))
	w.WriteHeader(status)
	w.Write(text) // it fails if the client has disconnected
}

// encoderOf returns an encoder that does not escape &, which most texts of QR codes contain.
func encoderOf(w interface{ Write([]byte) (int, error) }) *json.Encoder {
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false)
	return e
}

// unreadable returns the problem of a text that is not a valid order. The detail is the same as
// at every other entry point.
func unreadable(err error) problem {
	if errors.Is(err, tasks.ErrOrderTooLong) {
		return problem{Status: http.StatusRequestEntityTooLarge, Detail: err.Error()}
	}
	if forbidden, ok := errors.AsType[*forbiddenError](err); ok {
		return problem{Status: http.StatusForbidden, Detail: forbidden.Error()}
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

// refused returns the reason why an order was not accepted. Errors of Redis are only logged,
// because they may contain host names.
func refused(err error) problem {
	if _, ok := errors.AsType[qfpay.FieldErrors](err); ok {
		return unreadable(err)
	}
	if conflict, ok := errors.AsType[*tasks.ConflictError](err); ok {
		return problem{Status: http.StatusConflict, Detail: err.Error(), ID: conflict.ID, State: conflict.State}
	}
	return problem{Status: http.StatusServiceUnavailable,
		Detail: unavailable(err) + "; send it again: this is safe, and an accepted order counts as a duplicate"}
}

// unavailable returns the reason why no order can be accepted now.
func unavailable(err error) string {
	if full, ok := errors.AsType[*tasks.HighWaterError](err); ok {
		return full.Error()
	}
	if redis.HasErrorPrefix(err, "OOM") {
		return "Redis is full: no order can be accepted until it has memory again"
	}
	if _, ok := errors.AsType[redis.Error](err); ok {
		return "Redis refuses to work; see the log of the worker"
	}
	return "Redis does not answer"
}
