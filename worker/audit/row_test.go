package audit

import "testing"

func TestAudit_NamesEveryWayOrdersCanDisagree(t *testing.T) {
	t.Parallel()
	there := auditEntry{"5-0", true, "5-0"}
	for _, c := range []struct {
		r       auditRow
		problem string
		trimmed bool
	}{
		// As they must be.
		{auditRow{}, "", false}, // it has run out since it was found
		{auditRow{state: "NEW", due: true, entry: auditEntry{first: "none"}}, "", false},
		{auditRow{state: "SENT", due: true, entry: auditEntry{first: "5-0"}}, "", false},
		{auditRow{state: "CLOSING", due: true, entry: auditEntry{first: "5-0"}}, "", false},
		{auditRow{state: "DONE", entry: there}, "", false},
		{auditRow{state: "DONE", entry: auditEntry{"5-0", false, "5-1"}}, "", true},  // the stream was trimmed since
		{auditRow{state: "DONE", entry: auditEntry{"9-0", false, "10-0"}}, "", true}, // a number, not a text
		{auditRow{state: "DONE", entry: auditEntry{"5-0", false, ""}}, "", true},     // to the last entry
		{auditRow{state: "DONE", entry: there, payment: "open", followed: true, paidBy: auditEntry{first: "none"}}, "", false},
		{auditRow{state: "DONE", entry: there, payment: "paid", paidBy: there}, "", false},
		{auditRow{state: "DONE", entry: there, payment: "paid", paidBy: there, followed: true}, "", false}, // perhaps twice
		{auditRow{state: "DONE", entry: there, payment: "closed", paidBy: auditEntry{"5-0", false, "6-0"}}, "", false},
		// As they must not.
		{auditRow{due: true}, "is in due, but its journal is gone: was a key deleted or evicted?", false},
		{auditRow{state: "SENT"}, "has no result (SENT) and is not in due: no worker will find it", false},
		{auditRow{state: "NEW", due: true, entry: there}, "is NEW with a result, entry 5-0", false},
		{auditRow{state: "NEW", due: true, uncounted: "march"}, "its batch march has no counters: was the key deleted?", false},
		{auditRow{state: "LOST", due: true}, `has the unknown state "LOST"`, false},
		{auditRow{state: "DONE", due: true, entry: there}, "has its result, and is in due all the same", false},
		{auditRow{state: "DONE"}, "is DONE without an entry in the result stream", false},
		{auditRow{state: "DONE", entry: auditEntry{"5-1", false, "5-0"}}, "its result, entry 5-1, is missing from the stream though older ones are there", false},
		{auditRow{state: "DONE", entry: auditEntry{"5-0", false, "none"}}, "its result was entry 5-0, and the result stream is gone", false},
		{auditRow{state: "DONE", entry: there, payment: "maybe"}, `its code has the unknown state "maybe"`, false},
		{auditRow{state: "DONE", entry: there, payment: "refunded"}, `its code has the unknown state "refunded"`, false},
		{auditRow{state: "DONE", entry: there, payment: "open", followed: true, paidBy: there}, "its code is open with an event, entry 5-0", false},
		{auditRow{state: "DONE", entry: there, payment: "open"}, "its code is open, and not among those that are followed: nobody asks QFPay about it", false},
		{auditRow{state: "DONE", entry: there, payment: "expired"}, "its code is expired without an entry in the payment stream", false},
		{auditRow{state: "DONE", entry: there, payment: "paid", paidBy: auditEntry{"5-1", false, "5-0"}},
			"its payment event, entry 5-1, is missing from the stream though older ones are there", false},
		{auditRow{state: "DONE", entry: there, payment: "paid", paidBy: auditEntry{"5-0", false, "none"}}, "its payment event was entry 5-0, and the payment stream is gone", false},
	} {
		if got := c.r.problem(); got != c.problem || c.r.trimmed() != c.trimmed {
			t.Errorf("%+v: %q, trimmed %t; want %q, %t", c.r, got, c.r.trimmed(), c.problem, c.trimmed)
		}
	}
}
