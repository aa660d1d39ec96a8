// Package lately remembers texts for a minute, so that what would be logged again and again is logged
// once a minute.
//
// It logs nothing itself, and its memory is bounded. Start reading at [Texts].
package lately

import (
	"sync"
	"time"

	"github.com/qfpay-worker/qfpay-worker/worker/internal/timing"
)

// Texts remembers what was logged within [timing.LogAgain].
type Texts struct {
	mu   sync.Mutex
	said map[string]time.Time
}

// most bounds what is remembered.
const most = 1000

// Repeats reports whether a text was logged lately, and counts it as logged now if it was not.
func (l *Texts) Repeats(text string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if time.Since(l.said[text]) < timing.LogAgain {
		return true
	}
	if l.said == nil || len(l.said) >= most {
		l.said = make(map[string]time.Time)
	}
	l.said[text] = time.Now()
	return false
}
