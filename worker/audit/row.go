package audit

import (
	"fmt"

	"github.com/qfpay-worker/qfpay-worker/internal/redisstream"
	"github.com/qfpay-worker/qfpay-worker/tasks"
	"github.com/qfpay-worker/qfpay-worker/worker/internal/journal"
)

// auditRow is what has to agree about one order, as of one moment.
type auditRow struct {
	state string // empty: the order has no journal
	due   bool
	entry auditEntry // of its result

	payment  string     // of its published code: open, or the final event; empty: no code is followed
	paidBy   auditEntry // that event
	followed bool       // the code is among the open ones

	uncounted string // the batch, if that has no counters
}

// auditEntry is an entry that a journal names, and what its stream says of it.
type auditEntry struct {
	id    string // empty: the journal names none
	found bool   // it is in the stream
	first string // the stream's oldest entry; empty: the stream is empty; "none": it does not exist
}

// trimmed reports whether the entry is gone because the stream was trimmed: it is older than every
// entry that is left.
func (e auditEntry) trimmed() bool {
	return e.id != "" && !e.found && e.first != "none" && (e.first == "" || redisstream.Compare(e.id, e.first) < 0)
}

// missing returns what is wrong with the entry where there must be one, or "".
func (e auditEntry) missing(what, stream string) string {
	switch {
	case e.found, e.trimmed():
		return ""
	case e.first == "none":
		return fmt.Sprintf("its %s was entry %s, and the %s stream is gone", what, e.id, stream)
	}
	return fmt.Sprintf("its %s, entry %s, is missing from the stream though older ones are there", what, e.id)
}

// trimmed reports whether the result is gone because the stream was trimmed.
func (r auditRow) trimmed() bool { return r.state == "DONE" && r.entry.trimmed() }

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
	case r.state == "DONE" && r.entry.id == "":
		return "is DONE without an entry in the result stream"
	case r.state == "DONE" && r.entry.missing("result", "result") != "":
		return r.entry.missing("result", "result")
	case r.state == "DONE":
		return r.paymentProblem()
	case !open:
		return fmt.Sprintf("has the unknown state %q", r.state)
	case r.entry.id != "":
		return "is " + r.state + " with a result, entry " + r.entry.id
	case !r.due:
		return "has no result (" + r.state + ") and is not in due: no worker will find it"
	case r.uncounted != "":
		return "its batch " + r.uncounted + " has no counters: was the key deleted?"
	}
	return ""
}

// paymentProblem returns what is wrong with the published code of the order, or "". A code that is paid may be
// among the open ones for a moment: when QFPay is to be asked about a second payment.
func (r auditRow) paymentProblem() string {
	final := tasks.PaymentEvent(r.payment).Final()
	switch {
	case r.payment == "":
		return ""
	case r.payment != "open" && !final:
		return fmt.Sprintf("its code has the unknown state %q", r.payment)
	case !final && r.paidBy.id != "":
		return "its code is open with an event, entry " + r.paidBy.id
	case !final && !r.followed:
		return "its code is open, and not among those that are followed: nobody asks QFPay about it"
	case !final:
		return ""
	case r.paidBy.id == "":
		return "its code is " + r.payment + " without an entry in the payment stream"
	}
	return r.paidBy.missing("payment event", "payment")
}
