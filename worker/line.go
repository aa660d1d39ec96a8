package worker

import (
	"time"

	"github.com/qfpay-worker/qfpay-worker/tasks"
)

// class is how urgent a call is. A more urgent one goes first.
type class uint8

const (
	classDoubt       class = iota // enquiries and closes: an order's fate is unknown
	classInteractive              // creates for a customer who waits
	classBulk
	classes
)

func classOf(l tasks.Lane) class {
	if l == tasks.Interactive {
		return classInteractive
	}
	return classBulk
}

// horizon is how far ahead a place is taken, and waited for in the handler.
func (c class) horizon() time.Duration {
	if c == classBulk {
		return callAhead
	}
	return horizon
}

// line is where orders of an app_code wait for a place within its limits, each in its
// turn, without being touched meanwhile: whoever sweeps calls them up.
type line struct {
	key     string
	appCode string
	class   class
}

// urgency says, as ZADD does, whether a line that is joined is to be looked at at once.
// Orders of bulk that join a line are no reason to look before there is a place.
func (l *line) urgency() string {
	if l.class == classBulk {
		return "NX"
	}
	return "LT"
}

// linesKey is the sorted set of app_codes that have lines, by when somebody must look
// at them.
func linesKey(k tasks.Keys) string { return k.Prefix + ":lines" }
