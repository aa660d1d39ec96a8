package worker

import (
	"fmt"

	"github.com/qfpay-worker/qfpay-worker/internal/redisstream"
)

// standing is what has to agree about one order, as of one moment.
type standing struct {
	state string // empty: it has no journal
	due   bool
	entry string // of its result; empty: none
	found bool   // that entry is in the stream
	first string // the stream's oldest entry; empty: there is none; "none": there is no stream
}

// trimmed tells whether the result is no longer in the stream because the stream was
// trimmed: it is older than all that is left.
func (s standing) trimmed() bool {
	return s.state == "DONE" && s.entry != "" && !s.found && s.first != "none" && (s.first == "" || redisstream.Compare(s.entry, s.first) < 0)
}

// problem says what is wrong, or "".
func (s standing) problem() string {
	_, open := stateNames[s.state]
	switch {
	case s.state == "" && s.due:
		return "is in due, but its journal is gone: was a key deleted or evicted?"
	case s.state == "":
		return ""
	case s.state == "DONE" && s.due:
		return "has its result, and is in due all the same"
	case s.state == "DONE" && s.entry == "":
		return "is DONE without an entry in the result stream"
	case s.state == "DONE" && s.found, s.trimmed():
		return ""
	case s.state == "DONE" && s.first == "none":
		return "its result was entry " + s.entry + ", and the result stream is gone"
	case s.state == "DONE":
		return "its result, entry " + s.entry + ", is missing from the stream though older ones are there"
	case !open:
		return fmt.Sprintf("has the unknown state %q", s.state)
	case s.entry != "":
		return "is " + s.state + " with a result, entry " + s.entry
	case !s.due:
		return "has no result (" + s.state + ") and is not in due: nobody will look at it"
	}
	return ""
}
