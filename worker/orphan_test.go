package worker

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/qfpay-worker/qfpay-worker/tasks"
)

// A QR code that came too late is not published, and what stands at QFPay with it is
// written down, once: a person may have to look.
func TestSettle_NotesAnUnpublishedQRCodeAsAnOrphan(t *testing.T) {
	t.Parallel()
	for name, overtaken := range map[string]func(*desk, *claim){
		"while its number was closed": func(d *desk, c *claim) { ok(d.t, d.void(d.t.Context(), c)) },
		"after its number was dead": func(d *desk, c *claim) {
			ok(d.t, d.void(d.t.Context(), c))
			ok(d.t, d.mint(d.t.Context(), c))
		},
		"after the order had its result": func(d *desk, c *claim) {
			_, err := d.settle(d.t.Context(), c, outcome(tasks.Unresolved))
			ok(d.t, err)
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := newDesk(t)
			late := d.take("a")
			ok(t, d.intent(t.Context(), late))
			d.lapse()
			overtaken(d, d.take("b"))
			for range 2 { // the second is a repetition after a lost reply
				if published, _ := d.settle(t.Context(), late, createdAs("A1", "S1")); published {
					t.Error("published all the same")
				}
			}
			h, err := NewInspector(d.rdb, d.keys).Order(t.Context(), d.id)
			ok(t, err)
			if diff := cmp.Diff([]Orphan{{IssuedAs: "A1", Syssn: "S1"}}, h.Orphans); diff != "" {
				t.Errorf("orphans:\n%s", diff)
			}
		})
	}
}

// A gateway may answer a repeated create with what it had answered before: then both
// answers are of the one order that was published.
func TestSettle_NotesNoOrphanForThePublishedOrder(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	late := d.take("a")
	ok(t, d.intent(t.Context(), late))
	d.lapse()
	_, err := d.settle(t.Context(), d.take("b"), createdAs("A1", "S1"))
	ok(t, err)
	for _, syssn := range []string{"S1", "S2"} {
		_, err = d.settle(t.Context(), late, createdAs("A1", syssn))
		ok(t, err)
	}
	h, err := NewInspector(d.rdb, d.keys).Order(t.Context(), d.id)
	ok(t, err)
	if diff := cmp.Diff([]Orphan{{IssuedAs: "A1", Syssn: "S2"}}, h.Orphans); diff != "" {
		t.Errorf("orphans:\n%s", diff)
	}
}

func createdAs(number, syssn string) tasks.Result {
	return tasks.Result{Outcome: string(tasks.Created), IssuedAs: number, Syssn: syssn}
}
