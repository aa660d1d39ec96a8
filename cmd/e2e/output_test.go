package e2e

import "sync"

// output keeps the output of a process, and signals new output.
type output struct {
	mu      sync.Mutex
	written []byte
	changed chan struct{} // closed by the next write
}

func newOutput() *output { return &output{changed: make(chan struct{})} }

// Write implements [io.Writer].
func (o *output) Write(b []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.written = append(o.written, b...)
	close(o.changed)
	o.changed = make(chan struct{})
	return len(b), nil
}

// watch returns the output so far, and a channel that is closed when there is more.
func (o *output) watch() (string, <-chan struct{}) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return string(o.written), o.changed
}

func (o *output) text() string {
	text, _ := o.watch()
	return text
}

// tail returns the last n bytes.
func (o *output) tail(n int) string {
	text := o.text()
	return text[max(0, len(text)-n):]
}
