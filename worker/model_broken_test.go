// A search of one goroutine, for which the race detector has no use and costs eight times as much: make
// test runs it without.

//go:build !race

package worker

import (
	"strings"
	"testing"

	"github.com/qfpay-worker/qfpay-worker/qfpay"
	"github.com/qfpay-worker/qfpay-worker/tasks"
	"github.com/qfpay-worker/qfpay-worker/worker/internal/policy"
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
		next  func(policy.Facts) policy.Step
	}{
		{"not found allows a new number", "I", nil, func(f policy.Facts) policy.Step {
			if f.Reply == policy.NotFound && !f.CreateMayLand && f.Reissue {
				return policy.Step{Do: policy.Reissue}
			}
			return policy.Next(f)
		}},
		{"not found is a failure once it is late", "I3", nil, func(f policy.Facts) policy.Step {
			if f.Reply == policy.NotFound && f.PastDeadline {
				return policy.Settled(tasks.Expired, policy.ReasonLate)
			}
			return policy.Next(f)
		}},
		{"a duplicate is a failure", "I3", nil, func(f policy.Facts) policy.Step {
			if f.Reply == policy.Unknown {
				return policy.Settled(tasks.Rejected, "")
			}
			return policy.Next(f)
		}},
		{"a refusal of a repetition is believed", "I3", nil, func(f policy.Facts) policy.Step {
			if f.Reply == policy.Refused {
				return policy.Settled(tasks.Rejected, "")
			}
			return policy.Next(f)
		}},
		{"a status of a proxy takes a create back", "I", nil, func(f policy.Facts) policy.Step {
			if f.Reply == policy.Unknown {
				f.Reply = policy.NotExecuted
			}
			return policy.Next(f)
		}},
		{"a refused configuration is an end without a query", "I3", func(m *model) { m.untrue = true }, func(f policy.Facts) policy.Step {
			if f.Reply == policy.ConfigRefused {
				f.Reply = policy.SignatureRefused
			}
			return policy.Next(f)
		}},
		{"the last answer speaks for all creates", "I3", nil, func(f policy.Facts) policy.Step {
			if f.Reply == policy.Refused || f.Reply == policy.NotNow {
				f.Reply, f.Verdict = policy.NotFound, policy.Refusing
			}
			return policy.Next(f)
		}},
		{"a close that was sent is taken for one that was made", "I", nil, func(f policy.Facts) policy.Step {
			if f.Reply == policy.CloseSent && f.Reissue {
				return policy.Step{Do: policy.Reissue}
			}
			return policy.Next(f)
		}},
		{"an unpaid order gets a new number at once", "I", nil, func(f policy.Facts) policy.Step {
			if f.Reply == policy.Unpaid && f.Reissue {
				return policy.Step{Do: policy.Reissue}
			}
			return policy.Next(f)
		}},
		{"what was sent before is sent again at once", "I1", distrust, func(f policy.Facts) policy.Step {
			if f.Reply == policy.NotFound && f.State == policy.StateSent {
				return policy.Step{Do: policy.Create}
			}
			return policy.Next(f)
		}},
		{"numbers are trusted that are not unique", "I1", func(m *model) { m.unique = false }, policy.Next},
		{"anybody may write the journal", "I", func(m *model) { m.unfenced = true }, policy.Next},
		{"what is cancelled is called dead when it is not found", "I3", cancelled, func(f policy.Facts) policy.Step {
			if f.Reply == policy.NotFound && f.Cancel && !f.CreateMayLand && f.NotFoundBefore {
				return policy.Settled(tasks.Cancelled, "")
			}
			return policy.Next(f)
		}},
		{"what is cancelled is called dead when a close was sent", "I3", cancelled, func(f policy.Facts) policy.Step {
			if f.Reply == policy.CloseSent && f.Cancel {
				return policy.Settled(tasks.Cancelled, "")
			}
			return policy.Next(f)
		}},
		{"what is cancelled has no end where it cannot be closed", "L1", func(m *model) { cancelled(m); m.setting.payType = qfpay.FPS },
			func(f policy.Facts) policy.Step {
				if f.Reply == policy.Unpaid && f.Cancel {
					return policy.InDoubt()
				}
				return policy.Next(f)
			}},
		{"nothing is dispatched", "L1", func(m *model) { m.undispatched = true }, policy.Next},
		{"an order in doubt is not given up", "L1", func(m *model) { m.setting.payType = qfpay.FPS }, func(f policy.Facts) policy.Step {
			if f.Reply == policy.Unpaid {
				return policy.InDoubt()
			}
			return policy.Next(f)
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

func cancelled(m *model) { m.cancels = true }

func distrust(m *model) { m.trusted, m.unique = false, false }
