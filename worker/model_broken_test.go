package worker

import (
	"strings"
	"testing"

	"github.com/qfpay-worker/qfpay-worker/qfpay"
	"github.com/qfpay-worker/qfpay-worker/tasks"
)

// A search that finds nothing is worth as much as what it would have found. Each of
// these breaks one rule of the design, and the search must see it.
func TestModel_SeesEveryBrokenRule(t *testing.T) {
	t.Parallel()
	closable := setting{payType: qfpay.WeChat, lost: Auto, trusted: true, unique: true}
	for _, c := range []struct {
		name  string
		wrong string
		set   func(*model)
		next  func(facts) step
	}{
		{"not found allows a new number", "I", nil, func(f facts) step {
			if f.reply == notFound && !f.createMayLand && f.reissue {
				return step{do: reissue}
			}
			return next(f)
		}},
		{"not found is a failure once it is late", "I3", nil, func(f facts) step {
			if f.reply == notFound && f.pastDeadline {
				return settled(tasks.Expired, reasonLate)
			}
			return next(f)
		}},
		{"a duplicate is a failure", "I3", nil, func(f facts) step {
			if f.reply == unknown {
				f.reply, f.onlyCreate = refused, true
			}
			return next(f)
		}},
		{"a refusal of a repetition is believed", "I3", nil, func(f facts) step {
			f.onlyCreate = f.onlyCreate || f.reply == refused
			return next(f)
		}},
		{"a close that was sent is taken for one that was made", "I", nil, func(f facts) step {
			if f.reply == closeSent && f.reissue {
				return step{do: reissue}
			}
			return next(f)
		}},
		{"an unpaid order gets a new number at once", "I", nil, func(f facts) step {
			if f.reply == unpaid && f.reissue {
				return step{do: reissue}
			}
			return next(f)
		}},
		{"what was sent before is sent again at once", "I1", distrust, func(f facts) step {
			if f.reply == notFound && f.state == stateSent {
				return step{do: create}
			}
			return next(f)
		}},
		{"numbers are trusted that are not unique", "I1", func(m *model) { m.unique = false }, next},
		{"anybody may write the journal", "I", func(m *model) { m.unfenced = true }, next},
		{"nothing sweeps", "L1", func(m *model) { m.unswept = true }, next},
		{"an order in doubt is not given up", "L1", func(m *model) { m.setting.payType = qfpay.FPS }, func(f facts) step {
			if f.reply == unpaid {
				return inDoubt()
			}
			return next(f)
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			m := newModel(closable)
			if c.set != nil {
				c.set(m)
				m.table = m.setting.table()
			}
			m.next = c.next
			_, err := m.explore(4, mostWorlds)
			if err == nil || !strings.HasPrefix(err.Error(), c.wrong) {
				t.Fatalf("found %v, want %s", err, c.wrong)
			}
		})
	}
}

// Two worlds: one goes on as it is, unless somebody pays, and then there is a result.
// A result can be reached, but it is not bound to come.
func TestModel_SeesAnOrderThatGoesRoundInCircles(t *testing.T) {
	t.Parallel()
	m := newModel(settings[0])
	round, out := m.start(0), m.start(0)
	round.clock, out.book.end = pastDoubtTimeout, endUnresolved
	s := &search{m: m, worlds: []world{round, out}, from: []uint32{0, 0}, next: []uint32{0 | certain, 1}, until: []int{2, 2}}
	if err := s.hopeless(); err != nil {
		t.Error(err)
	}
	if err := s.endless(); err == nil || !strings.HasPrefix(err.Error(), "L2") {
		t.Errorf("found %v, want L2", err)
	}
}

func distrust(m *model) { m.trusted, m.unique = false, false }
