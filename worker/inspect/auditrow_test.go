package inspect

import "testing"

func TestAudit_NamesEveryWayOrdersCanDisagree(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		r       auditRow
		problem string
		trimmed bool
	}{
		// As they must be.
		{auditRow{}, "", false}, // it has run out since it was found
		{auditRow{state: "NEW", due: true, first: "none"}, "", false},
		{auditRow{state: "SENT", due: true, first: "5-0"}, "", false},
		{auditRow{state: "CLOSING", due: true, first: "5-0"}, "", false},
		{auditRow{state: "DONE", entry: "5-0", found: true, first: "5-0"}, "", false},
		{auditRow{state: "DONE", entry: "5-0", first: "5-1"}, "", true},  // the stream was trimmed since
		{auditRow{state: "DONE", entry: "9-0", first: "10-0"}, "", true}, // a number, not a text
		{auditRow{state: "DONE", entry: "5-0", first: ""}, "", true},     // to the last entry
		// As they must not.
		{auditRow{due: true}, "is in due, but its journal is gone: was a key deleted or evicted?", false},
		{auditRow{state: "SENT", first: "5-0"}, "has no result (SENT) and is not in due: no worker will find it", false},
		{auditRow{state: "NEW", due: true, entry: "5-0", found: true, first: "5-0"}, "is NEW with a result, entry 5-0", false},
		{auditRow{state: "NEW", due: true, uncounted: "march"}, "its batch march has no counters: was the key deleted?", false},
		{auditRow{state: "LOST", due: true}, `has the unknown state "LOST"`, false},
		{auditRow{state: "DONE", due: true, entry: "5-0", found: true, first: "5-0"}, "has its result, and is in due all the same", false},
		{auditRow{state: "DONE", first: "5-0"}, "is DONE without an entry in the result stream", false},
		{auditRow{state: "DONE", entry: "5-1", first: "5-0"}, "its result, entry 5-1, is missing from the stream though older ones are there", false},
		{auditRow{state: "DONE", entry: "5-0", first: "none"}, "its result was entry 5-0, and the result stream is gone", false},
	} {
		if got := c.r.problem(); got != c.problem || c.r.trimmed() != c.trimmed {
			t.Errorf("%+v: %q, trimmed %t; want %q, %t", c.r, got, c.r.trimmed(), c.problem, c.trimmed)
		}
	}
}
