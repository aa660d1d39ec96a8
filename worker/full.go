package worker

import (
	"sync"
	"time"
)

const (
	// A line that is longer than longLine does not empty before it is asked about again,
	// after fullFor.
	longLine = 2 * time.Second
	fullFor  = time.Second
)

// full remembers that the line of bulk is long, so that an order that is taken in hand
// meanwhile joins it without asking: while a large file comes in, that is nearly all of
// them.
type full struct {
	mu     sync.Mutex
	until  time.Time
	length time.Duration
}

// note remembers how long the line is.
func (f *full) note(now time.Time, length time.Duration) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if length > longLine {
		f.until, f.length = now.Add(fullFor), length
	}
}

// join tells how long the line is, if that is known, for one more order that joins it;
// each is the time between two calls.
func (f *full) join(now time.Time, each time.Duration) (length time.Duration, known bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if now.After(f.until) {
		return 0, false
	}
	f.length += each
	return f.length, true
}
