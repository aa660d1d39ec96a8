package conns

import (
	"encoding/json"
	"net/http"
)

// ProblemType is the media type of a [Problem].
const ProblemType = "application/problem+json"

// Problem is an error according to RFC 9457. It has no type, because the status is enough.
type Problem struct {
	Title  string `json:"title"` // the status in words
	Status int    `json:"status"`
	Detail string `json:"detail,omitempty"`
}

// NewProblem returns a problem with its title.
func NewProblem(status int, detail string) Problem {
	return Problem{http.StatusText(status), status, detail}
}

// JSON returns the document.
func (p Problem) JSON() []byte {
	text, _ := json.Marshal(p) // these types do not fail
	return text
}
