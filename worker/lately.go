package worker

import (
	"sync"
	"time"

	"github.com/qfpay-worker/qfpay-worker/worker/internal/timing"
)

// lately remembers what was logged within [timing.LogAgain].
type lately struct {
	mu   sync.Mutex
	said map[string]time.Time
}

// mostTexts bounds what lately remembers.
const mostTexts = 1000

// repeats reports whether a text was logged lately, and counts it as logged now if it was not.
func (l *lately) repeats(text string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if time.Since(l.said[text]) < timing.LogAgain {
		return true
	}
	if l.said == nil || len(l.said) >= mostTexts {
		l.said = make(map[string]time.Time)
	}
	l.said[text] = time.Now()
	return false
}
