package api

import (
	"io"
	"net/http"
	"time"
)

const (
	bodyTimeout     = 15 * time.Second // headers and body of a request
	strangerTimeout = time.Second      // how long anybody without a token may hold something
)

// body is the body of a request, and how far it was read.
type body struct {
	io.ReadCloser
	ended  bool // nothing is left of it
	failed bool // it cannot be read
}

func newBody(r *http.Request) *body {
	return &body{ReadCloser: r.Body, ended: r.ContentLength == 0}
}

// Read implements [io.Reader].
func (b *body) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	b.ended = b.ended || err == io.EOF
	b.failed = b.failed || err != nil && err != io.EOF
	return n, err
}

// readOn reads the rest of a body after its request was answered, for a while. Many clients read the
// answer only after they have sent everything, and lose it if the connection is closed before.
func (b *body) readOn(control *http.ResponseController, within time.Duration) {
	if b.ended || b.failed || control.Flush() != nil {
		return
	}
	control.SetReadDeadline(time.Now().Add(within))
	io.Copy(io.Discard, b) // until it ends, or fails with the deadline
}
