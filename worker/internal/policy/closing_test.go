package policy

import (
	"slices"
	"testing"

	"github.com/qfpay-worker/qfpay-worker/worker/event"
)

// The rules of a closing, for every combination of what it may look at.
func TestClosing_KeepsItsRulesForEveryCombination(t *testing.T) {
	t.Parallel()
	for r := Nothing; r < replies; r++ {
		for bits := range 16 {
			closable, sent, late, young := bits&1 != 0, bits&2 != 0, bits&4 != 0, bits&8 != 0
			s := NextClosing(r, closable, young, sent, late)
			dead := slices.Contains([]Reply{Closed, Failed, Declined}, r)
			for rule, kept := range map[string]bool{
				"a close leaves once, and only when the order was just shown unpaid and is old enough": s != CloseNow || r == Unpaid && closable && !sent && !young,
				"what stands unpaid and is old enough is closed at once":                               !(r == Unpaid && closable && !young && !sent && !late) || s == CloseNow,
				"closed is what a query shows dead, and nothing else":                                  (s == CloseDead) == dead,
				"paid is what a query shows paid, and nothing else":                                    (s == ClosePaid) == (r == Paid),
				"it cannot be closed where QFPay has no way, and it stands unpaid":                     (s == CloseCannot) == (r == Unpaid && !closable),
				"a query follows a close, and begins an attempt":                                       (s == CloseQuery) == (r == Nothing || r == CloseSent),
				"nothing goes on for ever":                                                             !late || s.Result() != "" || s == CloseQuery,
				"it is given up only when it is late":                                                  s != CloseUnclear || late,
				"what ends has a word, and only that":                                                  (s.Result() != "") == (s >= CloseDead),
				"its word is one of those that are counted":                                            s.Result() == "" || slices.Contains(event.ClosingResults(), s.Result()),
			} {
				if !kept {
					t.Errorf("%s: reply %d, closable %t, young %t, sent %t, late %t: step %d", rule, r, closable, young, sent, late, s)
				}
			}
		}
	}
}
