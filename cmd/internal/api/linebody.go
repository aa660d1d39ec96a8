package api

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"sync"
	"time"
)

// errStopping ends an upload because the worker is shutting down.
var errStopping = errors.New("shutting down")

// lineBody is the body of an upload. It may go on for as long as it likes, so it has
// no deadline as a whole: each read has one. stop ends it, in the middle of a read too.
type lineBody struct {
	io.Reader
	control *http.ResponseController

	mu      sync.Mutex
	stopped bool
	closed  bool // the connection is not ours any more
}

// Read implements [io.Reader].
func (b *lineBody) Read(p []byte) (int, error) {
	if !b.patient(time.Now().Add(pause)) {
		return 0, errStopping
	}
	n, err := b.Reader.Read(p)
	if err != nil && err != io.EOF && !b.patient(time.Now().Add(pause)) {
		err = errStopping
	}
	return n, err
}

// patient sets the deadline of the next read, unless there is to be none.
func (b *lineBody) patient(deadline time.Time) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if !b.stopped {
		b.control.SetReadDeadline(deadline)
	}
	return !b.stopped
}

func (b *lineBody) stop() {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.stopped = true; !b.closed {
		b.control.SetReadDeadline(time.Unix(1, 0))
	}
}

// close keeps stop from touching the connection once the request is over.
func (b *lineBody) close() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.closed = true
}

// lineWriter writes the answers of an upload, a batch at a time.
type lineWriter struct {
	w       http.ResponseWriter
	control *http.ResponseController
	buffer  bytes.Buffer
	encoder *json.Encoder
	begun   bool
}

func newLineWriter(w http.ResponseWriter, control *http.ResponseController) *lineWriter {
	l := &lineWriter{w: w, control: control}
	l.encoder = encoderOf(&l.buffer)
	return l
}

// write sends answers at once. Its error is that the caller has gone, or does not read.
func (l *lineWriter) write(answers []lineAnswer) error {
	if !l.begun {
		l.begun = true
		l.w.Header().Set("Content-Type", manyOrders)
		l.w.Header().Set("Cache-Control", "no-store")
		l.w.Header().Set("X-Content-Type-Options", "nosniff")
		l.w.WriteHeader(http.StatusOK)
	}
	l.buffer.Reset()
	for _, a := range answers {
		if err := l.encoder.Encode(a); err != nil {
			return err
		}
	}
	l.control.SetWriteDeadline(time.Now().Add(pause))
	if _, err := l.w.Write(l.buffer.Bytes()); err != nil {
		return err
	}
	return l.control.Flush()
}
