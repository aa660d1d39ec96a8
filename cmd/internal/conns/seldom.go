package conns

import (
	"sync"
	"time"
)

// Seldom says that something happened at most once a second, with how often. It says the first
// time at once, and nothing is left out of the counts.
type Seldom struct {
	say func(n int, attrs ...any)

	mu      sync.Mutex
	n       int
	attrs   []any // of the last time
	waiting bool  // a second has not passed
}

// NewSeldom returns one that calls say with the count, and with what the last Note had.
func NewSeldom(say func(n int, attrs ...any)) *Seldom { return &Seldom{say: say} }

// Note counts one.
func (s *Seldom) Note(attrs ...any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.n, s.attrs = s.n+1, attrs
	if !s.waiting {
		s.tell()
	}
}

func (s *Seldom) tell() {
	if s.waiting = s.n > 0; !s.waiting {
		return
	}
	s.say(s.n, s.attrs...)
	s.n, s.attrs = 0, nil
	time.AfterFunc(time.Second, func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.tell()
	})
}
