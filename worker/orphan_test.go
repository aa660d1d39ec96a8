package worker

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/qfpay-worker/qfpay-worker/tasks"
	"github.com/qfpay-worker/qfpay-worker/worker/inspect"
	"github.com/qfpay-worker/qfpay-worker/worker/internal/journal"
)

// A QR code that came too late is not published, and what stands at QFPay with it is
// written down, once: a person may have to look.
func TestSettle_NotesAnUnpublishedQRCodeAsAnOrphan(t *testing.T) {
	t.Parallel()
	for name, overtaken := range map[string]func(*journalFixture, *journal.Claim){
		"while its number was closed": func(f *journalFixture, c *journal.Claim) { ok(f.t, f.CloseIntent(f.t.Context(), c)) },
		"after its number was closed": func(f *journalFixture, c *journal.Claim) {
			ok(f.t, f.CloseIntent(f.t.Context(), c))
			ok(f.t, f.Reissue(f.t.Context(), c))
		},
		"after the order had its result": func(f *journalFixture, c *journal.Claim) {
			_, err := f.Settle(f.t.Context(), c, outcome(tasks.Unresolved))
			ok(f.t, err)
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newJournalFixture(t)
			late := f.take("a")
			ok(t, f.Intent(t.Context(), late))
			f.lapse()
			overtaken(f, f.take("b"))
			for range 2 { // the second is a repetition after a lost reply
				if published, _ := f.Settle(t.Context(), late, createdAs("A1", "S1")); published {
					t.Error("published all the same")
				}
			}
			h, err := inspect.New(f.Redis, f.Keys).Order(t.Context(), f.id)
			ok(t, err)
			if diff := cmp.Diff([]inspect.Orphan{{IssuedAs: "A1", Syssn: "S1"}}, h.Orphans); diff != "" {
				t.Errorf("orphans:\n%s", diff)
			}
		})
	}
}

// A gateway may answer a repeated create with what it had answered before: then both
// answers are of the one order that was published.
func TestSettle_NotesNoOrphanForThePublishedOrder(t *testing.T) {
	t.Parallel()
	f := newJournalFixture(t)
	late := f.take("a")
	ok(t, f.Intent(t.Context(), late))
	f.lapse()
	_, err := f.Settle(t.Context(), f.take("b"), createdAs("A1", "S1"))
	ok(t, err)
	for _, syssn := range []string{"S1", "S2"} {
		_, err = f.Settle(t.Context(), late, createdAs("A1", syssn))
		ok(t, err)
	}
	h, err := inspect.New(f.Redis, f.Keys).Order(t.Context(), f.id)
	ok(t, err)
	if diff := cmp.Diff([]inspect.Orphan{{IssuedAs: "A1", Syssn: "S2"}}, h.Orphans); diff != "" {
		t.Errorf("orphans:\n%s", diff)
	}
}

func createdAs(number, syssn string) tasks.Result {
	return tasks.Result{Outcome: string(tasks.Created), IssuedAs: number, Syssn: syssn}
}
