// Package seldom keeps what others can cause without end from filling the log: it is said once a second,
// with how often it happened.
//
// Start reading at [Teller].
package seldom

import (
	"sync"
	"time"
)

// Teller says that something happened at most once a second, with how often. It says the first
// time at once, and nothing is left out of the counts.
type Teller struct {
	say func(n int, attrs ...any)

	mu      sync.Mutex
	n       int
	attrs   []any // of the last time
	waiting bool  // a second has not passed
}

// New returns one that calls say with the count, and with what the last Note had.
func New(say func(n int, attrs ...any)) *Teller { return &Teller{say: say} }

// Note counts one.
func (t *Teller) Note(attrs ...any) { t.Add(1, attrs...) }

// Add counts several.
func (t *Teller) Add(n int, attrs ...any) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.n, t.attrs = t.n+n, attrs
	if !t.waiting {
		t.tell()
	}
}

func (t *Teller) tell() {
	if t.waiting = t.n > 0; !t.waiting {
		return
	}
	t.say(t.n, t.attrs...)
	t.n, t.attrs = 0, nil
	time.AfterFunc(time.Second, func() {
		t.mu.Lock()
		defer t.mu.Unlock()
		t.tell()
	})
}
