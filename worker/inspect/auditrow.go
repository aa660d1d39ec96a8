package inspect

import (
	"fmt"

	"github.com/qfpay-worker/qfpay-worker/internal/redisstream"
	"github.com/qfpay-worker/qfpay-worker/worker/internal/journal"
)

// auditRow is what has to agree about one order, as of one moment.
type auditRow struct {
	state string // empty: the order has no journal
	due   bool
	entry string // of its result; empty: it has none
	found bool   // that entry is in the stream
	first string // the stream's oldest entry; empty: the stream is empty; "none": it does not exist

	uncounted string // the batch, if that has no counters
}

// trimmed reports whether the result is gone because the stream was trimmed: it is older than
// every entry that is left.
func (r auditRow) trimmed() bool {
	return r.state == "DONE" && r.entry != "" && !r.found && r.first != "none" && (r.first == "" || redisstream.Compare(r.entry, r.first) < 0)
}

// problem returns what is wrong with the order, or "".
func (r auditRow) problem() string {
	_, open := journal.StateNames[r.state]
	switch {
	case r.state == "" && r.due:
		return "is in due, but its journal is gone: was a key deleted or evicted?"
	case r.state == "":
		return ""
	case r.state == "DONE" && r.due:
		return "has its result, and is in due all the same"
	case r.state == "DONE" && r.entry == "":
		return "is DONE without an entry in the result stream"
	case r.state == "DONE" && r.found, r.trimmed():
		return ""
	case r.state == "DONE" && r.first == "none":
		return "its result was entry " + r.entry + ", and the result stream is gone"
	case r.state == "DONE":
		return "its result, entry " + r.entry + ", is missing from the stream though older ones are there"
	case !open:
		return fmt.Sprintf("has the unknown state %q", r.state)
	case r.entry != "":
		return "is " + r.state + " with a result, entry " + r.entry
	case !r.due:
		return "has no result (" + r.state + ") and is not in due: no worker will find it"
	case r.uncounted != "":
		return "its batch " + r.uncounted + " has no counters: was the key deleted?"
	}
	return ""
}
