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

// lineBody is the body of an upload. An upload may take any time, so each read has its own
// deadline. stop ends the upload, even during a read.
type lineBody struct {
	io.Reader
	control *http.ResponseController

	mu      sync.Mutex
	stopped bool
	closed  bool // the request is over
}

// Read implements [io.Reader].
func (b *lineBody) Read(p []byte) (int, error) {
	if !b.setDeadline(time.Now().Add(pause)) {
		return 0, errStopping
	}
	n, err := b.Reader.Read(p)
	if err != nil && err != io.EOF && !b.setDeadline(time.Now().Add(pause)) {
		err = errStopping
	}
	return n, err
}

// setDeadline sets the deadline of the next read. It returns false if the body was stopped.
func (b *lineBody) setDeadline(deadline time.Time) bool {
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

// close prevents stop from changing the connection after the request.
func (b *lineBody) close() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.closed = true
}

// lineWriter writes the answers of an upload in batches.
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

// write sends answers at once. It fails if the client has disconnected, or does not read.
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
