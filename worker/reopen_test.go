package worker

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/qfpay-worker/qfpay-worker/qfpay/simulator"
	"github.com/qfpay-worker/qfpay-worker/tasks"
)

func (d *desk) inspector() *Inspector {
	i := NewInspector(d.rdb, d.keys)
	i.pause = time.Millisecond
	return i
}

// result is one with nothing in it that does not have to be.
func (d *desk) result(o tasks.Outcome) tasks.Result {
	merchant, outTradeNo, _ := strings.Cut(d.id, ":")
	return tasks.Result{V: tasks.ResultVersion, ID: d.id, Merchant: merchant, OutTradeNo: outTradeNo, Outcome: string(o)}
}

// end settles the order, from wherever it has got to.
func (d *desk) end(c *claim, o tasks.Outcome) {
	d.t.Helper()
	if _, err := d.settle(d.t.Context(), c, d.result(o)); err != nil {
		d.t.Fatal(err)
	}
}

func (d *desk) reopen() Reopened {
	d.t.Helper()
	r, err := d.inspector().Reopen(d.t.Context(), d.id, time.Time{})
	if err != nil {
		d.t.Fatal(err)
	}
	return r
}

// sound fails when journal, due and stream do not agree.
func (d *desk) sound() {
	d.t.Helper()
	_, err := d.inspector().Audit(d.t.Context(), func(b Breach) { d.t.Errorf("%+v", b) })
	ok(d.t, err)
}

func TestReopen_GoesOnWhereTheOrderStands(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name   string
		lead   func(*desk, *claim) // what has happened before it ended
		ended  tasks.Outcome
		state  string
		number string
		sent   bool // what was sent under the number is still known
	}{
		// QFPay may hold it: an enquiry comes first, from the moment it was sent.
		{"sent and never cleared up", func(d *desk, c *claim) { ok(d.t, d.intent(d.t.Context(), c)) }, tasks.Unresolved, "SENT", "0", true},
		// A close may have left: its QR code stays forbidden.
		{"closed and never cleared up", func(d *desk, c *claim) {
			ok(d.t, d.intent(d.t.Context(), c))
			ok(d.t, d.void(d.t.Context(), c))
		}, tasks.Unresolved, "VOIDING", "0", true},
		// Nothing was sent: its own number is unused.
		{"expired in the queue", func(*desk, *claim) {}, tasks.Expired, "NEW", "0", false},
		// Dead at QFPay: that number is used up.
		{"sent, and dead at its deadline", func(d *desk, c *claim) { ok(d.t, d.intent(d.t.Context(), c)) }, tasks.Expired, "NEW", "1", false},
		{"refused by QFPay", func(d *desk, c *claim) { ok(d.t, d.intent(d.t.Context(), c)) }, tasks.Rejected, "NEW", "1", false},
		// The create was taken back: it has not been sent.
		{"sent and taken back", func(d *desk, c *claim) {
			ok(d.t, d.intent(d.t.Context(), c))
			ok(d.t, d.retract(d.t.Context(), c))
		}, tasks.Expired, "NEW", "0", false},
		// A new number that was not used goes on.
		{"reissued, and not sent again", func(d *desk, c *claim) {
			ok(d.t, d.intent(d.t.Context(), c))
			ok(d.t, d.mint(d.t.Context(), c))
		}, tasks.Expired, "NEW", "1", false},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			d := newDesk(t)
			held := d.take("a")
			c.lead(d, held)
			firstSent, sends := d.field("first_sent_at"), d.field("sends")
			d.end(held, c.ended)
			r := d.reopen()
			if !c.sent {
				firstSent, sends = "", "0"
			}
			d.want(c.state, sends, c.number)
			if got := d.field("first_sent_at"); got != firstSent {
				t.Errorf("first sent at %q, want %q", got, firstSent)
			}
			if !d.isDue() || d.rdb.TTL(t.Context(), d.keys.Order(d.id)).Val() != -1 || d.field("outcome") != "" {
				t.Error("it is not due, or its journal runs out, or has an outcome")
			}
			number, _ := strconv.Atoi(c.number)
			want := Reopened{ID: d.id, Was: c.ended, State: c.state, IssuedAs: issuedAs("A1", number), Deadline: r.Deadline, ResultID: "default:A1#2"}
			if diff := cmp.Diff(want, r); diff != "" {
				t.Error(diff)
			}
			if left := time.Until(r.Deadline); left < 23*time.Hour || left > 25*time.Hour {
				t.Errorf("%s until the deadline, want that of bulk", left)
			}
			d.sound()
		})
	}
}

// What was shown twice before the order ended says nothing of now.
func TestReopen_NeedsTheOrderShownAbsentTwiceAnew(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	c := d.take("a")
	ok(t, d.intent(t.Context(), c))
	ok(t, d.release(t.Context(), c, 0, true, DeferDoubt, nil))
	d.end(d.take("b"), tasks.Unresolved)
	d.reopen()
	if again := d.take("c"); again.absents != 0 || again.sends != 1 || again.state != stateSent {
		t.Errorf("%+v", again)
	}
}

func TestReopen_GivesTheNextResultAnIDOfItsOwn(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	ended := d.result(tasks.Unresolved)
	for n, want := range []string{"default:A1", "default:A1#2", "default:A1#3"} {
		c := d.take(fmt.Sprint("attempt ", n))
		if n == 0 {
			ok(t, d.intent(t.Context(), c))
		}
		for range 2 { // a repetition publishes nothing more
			_, err := d.settle(t.Context(), c, ended)
			ok(t, err)
		}
		last := d.rdb.XRevRangeN(t.Context(), d.keys.Results(), "+", "-", 1).Val()[0]
		if last.Values["id"] != want || d.published() != int64(n+1) {
			t.Errorf("%d entries, the last with the id %v, want %s", d.published(), last.Values["id"], want)
		}
		d.sound()
		d.reopen()
	}
}

// Somebody has had the QR code all along, and was not heard: it is the QR code of the
// number that the order goes on under, so it is the result. What he says of an order
// that goes on under another number is not.
func TestReopen_PublishesALateQRCodeOfTheSameNumberAlone(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	late := d.take("a")
	ok(t, d.intent(t.Context(), late))
	d.lapse()
	d.end(d.take("b"), tasks.Unresolved)
	d.reopen()
	published, err := d.settle(t.Context(), late, d.result(tasks.Created))
	last := d.rdb.XRevRangeN(t.Context(), d.keys.Results(), "+", "-", 1).Val()[0]
	if err != nil || !published || last.Values["id"] != "default:A1#2" {
		t.Errorf("published %t as %v, %v", published, last.Values["id"], err)
	}

	d = newDesk(t)
	late = d.take("a")
	ok(t, d.intent(t.Context(), late))
	d.lapse()
	d.end(d.take("b"), tasks.Expired)
	d.reopen()
	_, err = d.settle(t.Context(), late, d.result(tasks.Created))
	lost(t, err)
	lost(t, d.intent(t.Context(), late))
}

func TestReopen_ChangesNothingWhereItIsNotAllowed(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, why string
		lead      func(*desk)
		deadline  time.Time
	}{
		{"without a result", "no result yet (state NEW)", func(*desk) {}, time.Time{}},
		{"created", "QR code published", func(d *desk) {
			held := d.take("a")
			ok(d.t, d.intent(d.t.Context(), held))
			d.end(held, tasks.Created)
		}, time.Time{}},
		{"deadline in the past", "is over", func(d *desk) { d.end(d.take("a"), tasks.Expired) }, time.Now().Add(-time.Minute)},
		{"not valid", "corrected one", func(d *desk) {
			ok(d.t, d.rdb.HSet(d.t.Context(), d.keys.Order(d.id), "order", `{"out_trade_no":"A1"`).Err())
			d.end(d.take("a"), tasks.Rejected)
		}, time.Time{}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			d := newDesk(t)
			c.lead(d)
			before := d.rdb.HGetAll(t.Context(), d.keys.Order(d.id)).Val()
			_, err := d.inspector().Reopen(t.Context(), d.id, c.deadline)
			var not *NotReopened
			if !errors.As(err, &not) || not.ID != d.id || !strings.Contains(not.Why, c.why) {
				t.Errorf("error %v, want one about %q", err, c.why)
			}
			if diff := cmp.Diff(before, d.rdb.HGetAll(t.Context(), d.keys.Order(d.id)).Val()); diff != "" {
				t.Error(diff)
			}
			d.sound()
		})
	}
	if _, err := newDesk(t).inspector().Reopen(t.Context(), "default:nobody", time.Time{}); !errors.Is(err, ErrNoOrder) {
		t.Errorf("error %v", err)
	}
}

// The script itself checks everything again: between looking and acting, others act.
func TestReopen_ChecksBeforeItWrites(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	ctx, journal := t.Context(), d.keys.Order(d.id)
	run := func(id, entry, nonce string) []string {
		t.Helper()
		answer, err := d.run(ctx, reopenScript, "reopen", []string{d.keys.Order(id), d.keys.Due()}, id, entry, nonce, "{}")
		ok(t, err)
		return answer
	}
	want := func(got []string, words ...string) {
		t.Helper()
		if diff := cmp.Diff(words, got); diff != "" {
			t.Error(diff)
		}
	}
	want(run("default:nobody", "1-0", "n"), "none")
	want(run(d.id, "", "n"), "open", "NEW")
	c := d.take("a")
	ok(t, d.intent(ctx, c))
	d.end(c, tasks.Unresolved)
	entry := d.field("entry")
	want(run(d.id, "1-0", "n"), "moved", entry)
	want(run(d.id, entry, "n"), "reopened", "SENT", "0", "1")
	want(run(d.id, entry, "n"), "reopened", "SENT", "0", "1") // the same call, repeated
	want(run(d.id, entry, "m"), "open", "SENT")               // another one
	if d.field("past") != "unresolved:"+entry {
		t.Errorf("past %q", d.field("past"))
	}
	// Without a word of whether a close has left, it counts as having left.
	d.end(d.take("b"), tasks.Unresolved)
	ok(t, d.rdb.HDel(ctx, journal, "settled_from").Err())
	want(run(d.id, d.field("entry"), "o"), "reopened", "VOIDING", "0", "2")
	c = d.take("c")
	ok(t, d.mint(ctx, c))
	ok(t, d.intent(ctx, c))
	d.end(c, tasks.Created)
	want(run(d.id, d.field("entry"), "p"), "kept", "created")
	d.sound()
}

// Attempts and people do whatever they may in any order: there is one result for each
// time that the order was open, no number is created under that has been closed or
// left, and nothing comes after a QR code.
func TestReopen_NeverLeadsToASecondQRCode(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	ctx := t.Context()
	n := 0
	rapid.Check(t, func(rt *rapid.T) {
		n++
		d.id = fmt.Sprintf("default:R%d", n)
		if _, err := tasks.NewProducer(d.rdb, d.keys).Accept(ctx, anOrder(fmt.Sprintf("R%d", n)).WithDefaults(time.Now())); err != nil {
			rt.Fatal(err)
		}
		before, created, ended, retries := d.published(), 0, 0, 0
		closed := map[int]bool{} // numbers that a close has left for, or that were left behind
		var claims []*claim
		for range rapid.IntRange(1, 25).Draw(rt, "steps") {
			switch do := rapid.IntRange(0, 6).Draw(rt, "step"); {
			case do == 0 || len(claims) == 0:
				d.lapse()
				if c, err := d.claim(ctx, d.id, fmt.Sprint("t", n, len(claims))); err == nil && c.status == claimOurs {
					claims = append(claims, &c)
				}
			case do == 1:
				if _, err := d.inspector().Reopen(ctx, d.id, time.Time{}); err == nil {
					retries++
				}
			default:
				c := claims[rapid.IntRange(0, len(claims)-1).Draw(rt, "attempt")]
				switch do {
				case 2:
					if d.intent(ctx, c) == nil && closed[c.number] {
						rt.Fatalf("created under number %d, which was closed or left", c.number)
					}
				case 3:
					if d.void(ctx, c) == nil {
						closed[c.number] = true
					}
				case 4:
					left := c.number
					if d.mint(ctx, c) == nil {
						closed[left] = true
					}
				default:
					o := rapid.SampledFrom(tasks.Outcomes()).Draw(rt, "outcome")
					published, err := d.settle(ctx, c, d.result(o))
					if err == nil && published && d.published() > before+int64(ended) {
						if ended++; o == tasks.Created {
							if created++; closed[c.number] {
								rt.Fatalf("the QR code of number %d is published, which was closed or left", c.number)
							}
						} else if o != tasks.Unresolved && d.field("sends") != "0" {
							closed[c.number] = true // dead at QFPay
						}
					}
				}
			}
		}
		if open := d.isDue(); created > 1 || created == 1 && open || ended != retries && ended != retries+1 || open != (ended == retries) {
			rt.Fatalf("%d QR codes, %d results and %d retries; open: %t", created, ended, retries, open)
		}
		ok(t, d.rdb.ZRem(ctx, d.keys.Due(), d.id).Err())
		ok(t, d.rdb.Del(ctx, d.keys.Order(d.id)).Err())
	})
}

// With workers and a gateway: how each kind of order ends when it is tried again.
func TestReopen_BringsTheOrderToAGoodEnd(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name          string
		fault         simulator.Fault
		late          bool // it has expired in the queue
		first, issued string
	}{
		{"its QR code was lost", "drop_after", false, "unresolved", "A0000_2"}, // closed now, and issued again
		{"refused", "respcd_1294", false, "rejected", "A0000_2"},
		{"expired", "", true, "expired", "A0000"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t, simulator.Config{Late: time.Second})
			r.fault(c.fault)
			r.config.LostResponse = LeaveIt
			stop := r.start()
			r.enqueue(1, func(_ int, o *tasks.Order) {
				if c.late {
					o.Deadline = time.Now().Add(-time.Second)
				}
			})
			if got := r.results(1)["A0000"]; got.Outcome != c.first || got.ID != "default:A0000" {
				t.Fatalf("%s with the id %s, want %s", got.Outcome, got.ID, c.first)
			}
			stop()
			r.config.LostResponse = Auto
			r.start()
			i := NewInspector(r.rdb, r.keys)
			_, err := i.Reopen(t.Context(), "default:A0000", time.Time{})
			ok(t, err)
			second := r.next(1)
			if second.Outcome != "created" || second.IssuedAs != c.issued || second.ID != "default:A0000#2" {
				t.Errorf("%s as %s with the id %s\n%s", second.Outcome, second.IssuedAs, second.ID, r.log.tail(20))
			}
			r.agree(map[string]tasks.Result{"A0000": second})
			h, err := i.Order(t.Context(), "default:A0000")
			if err != nil || len(h.Results) != 2 || h.Results[0].Outcome != c.first || h.Results[1].Result.QRCode != second.QRCode {
				t.Errorf("%+v, %v", h, err)
			}
			_, err = i.Audit(t.Context(), func(b Breach) { t.Errorf("%+v", b) })
			ok(t, err)
		})
	}
}

// next waits for the result after the first n.
func (r *rig) next(n int64) tasks.Result {
	r.t.Helper()
	for end := time.Now().Add(time.Minute); ; time.Sleep(10 * time.Millisecond) { // until another process has done it
		entries, err := tasks.NewResults(r.rdb, r.keys).Read(r.t.Context(), "", n+1)
		ok(r.t, err)
		if int64(len(entries)) > n {
			return entries[n].Result
		}
		if time.Now().After(end) {
			r.t.Fatalf("no further result\n%s", r.log.tail(30))
		}
	}
}
