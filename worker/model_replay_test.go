package worker

import (
	"errors"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"strconv"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/redis/go-redis/v9"
	"pgregory.net/rapid"

	"github.com/qfpay-worker/qfpay-worker/internal/seldom"
	"github.com/qfpay-worker/qfpay-worker/qfpay"
	"github.com/qfpay-worker/qfpay-worker/worker/event"
	"github.com/qfpay-worker/qfpay-worker/worker/internal/attempt"
	"github.com/qfpay-worker/qfpay-worker/worker/internal/fleet"
	"github.com/qfpay-worker/qfpay-worker/worker/internal/journal"
	"github.com/qfpay-worker/qfpay-worker/worker/internal/merchants"
	"github.com/qfpay-worker/qfpay-worker/worker/internal/policy"
	"github.com/qfpay-worker/qfpay-worker/worker/internal/roundtimer"
)

func replay(t *rapid.T, rdb *redis.Client, number string) {
	s := setting{
		payType: rapid.SampledFrom([]qfpay.PayType{qfpay.AlipayOverseas, qfpay.FPS}).Draw(t, "pay type"),
		lost:    rapid.SampledFrom([]LostResponse{Auto, Reissue, LeaveIt}).Draw(t, "lost response"),
		trusted: rapid.Bool().Draw(t, "unique numbers"),
	}
	clock := rapid.Uint8Range(inTime, pastDoubtTimeout).Draw(t, "clock")
	o := anOrder(number)
	o.PayType, o.Deadline = s.payType, time.Now().Add(untilDeadline[clock])
	w := newTwins(t, rdb, o)
	w.past(clock)
	c, err := w.real.Claim(w.ctx, w.id, w.name(firsts))
	w.must(err)
	w.book.claim(firsts)

	answers := make([]byte, 12)
	dice := rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "answers"), 0)) // rapid itself prefers small numbers
	for i := range answers {
		answers[i] = byte(dice.UintN(256))
	}
	real, foreseen := &scheduler{answers: answers}, &scheduler{answers: answers}
	if rapid.IntRange(0, 5).Draw(t, "it is stopped until its lease is over") == 5 {
		w.setLease(over, 0)
	}
	if err := workedBy(w.real, s, real).Work(w.ctx, c, attempt.WakeUp{}); !errors.Is(err, journal.ErrLost) {
		w.must(err)
	}
	w.foresee(newModel(s), clock, foreseen)
	if diff := cmp.Diff(foreseen.calls, real.calls); diff != "" {
		t.Fatalf("calls differ (-model +real):\n%s", diff)
	}
	w.same()
}

// past gives the order a past, in which another attempt has had it.
func (w *twins) past(clock uint8) {
	few := rapid.IntRange(0, 2)
	c, err := w.real.Claim(w.ctx, w.id, w.name(seconds))
	w.must(err)
	w.book.claim(seconds)
	send := func() {
		w.agree(w.real.Intent(w.ctx, &c), w.book.intent(seconds, w.book.reissues, w.book.createsSent))
	}
	for range few.Draw(w.T, "numbers before") {
		send()
		w.agree(w.real.Reissue(w.ctx, &c), w.book.reissue(seconds, w.book.reissues))
	}
	for range few.Draw(w.T, "creates before") {
		send()
	}
	if w.book.createsSent > 0 && rapid.Bool().Draw(w.T, "it was being closed") {
		w.agree(w.real.CloseIntent(w.ctx, &c), w.book.closeIntent(seconds, w.book.reissues))
	}
	gone := w.book.createsSent > 0 && rapid.Bool().Draw(w.T, "it was not found before")
	w.agree(w.real.Release(w.ctx, &c, 0, gone, event.DeferDoubt, nil), w.book.release(seconds, gone))
	if w.book.sent != unsent && rapid.Bool().Draw(w.T, "the landing time is over") {
		w.book.sent = landed
		before := 2 * w.real.Times.LandingTime
		if clock == pastDoubtTimeout { // then its QR code has run out, too
			before = 2 * w.real.Times.OfCode(qfpay.DefaultLife)
		}
		w.must(w.real.Redis.HSet(w.ctx, w.real.Keys.Order(w.id), "sent_at", time.Now().Add(-before).UnixMilli()).Err())
	}
	w.same()
}

// workedBy is a real handler, whose merchant's gateway this is.
func workedBy(j *journal.Journal, s setting, gateway http.RoundTripper) *attempt.Handler {
	merchant := Merchant{Merchant: qfpay.Merchant{Name: "default", BaseURL: "http://gateway", AppCode: "APP", Key: "k"}}
	config := merchants.Config{Verify: qfpay.VerifyOff, Observer: nobody{}, HTTP: &http.Client{Transport: gateway}, CallTimeout: j.Times.Call}
	return &attempt.Handler{Merchants: merchants.New(config, []Merchant{merchant}), Timer: roundtimer.New(), Journal: j, Fleet: fleet.New(j, nil),
		Times: j.Times, Lost: s.lost, UniqueNumbers: s.trusted, Observer: nobody{}, Log: slog.New(slog.DiscardHandler), Refused: seldom.New(func(int, ...any) {})}
}

// foresee runs the model's attempt to its end. After an answer that may concern every order of the
// merchant it sends no create under a new number: that one has to wait.
func (w *twins) foresee(m *model, clock uint8, gateway *scheduler) {
	h, refused := handOf(w.book), false
	h.place = deciding
	for h.place != idle {
		k := strconv.Itoa(int(h.reissues))
		switch {
		case h.place == deciding:
			h = m.decide(h, clock)
			if h.do == policy.Create && h.state == policy.StateNew && refused {
				h = parting(policy.Wait, unsettled, h)
			}
		case h.place == posting:
			said := gateway.create(k)
			h.reply, h.onlyCreate = said.reply, h.createsSent == 1
			h.place = deciding
			refused = refused || said.refuses
			if !w.book.notes(firsts, &h, said.status != 0) {
				return
			}
		case h.place == closing:
			h.reply, h.closeSentHere = gateway.close(k).reply, true
			h.place = deciding
		case h.do == policy.Query:
			h.reply = gateway.query(k).reply
			h.place = deciding
		default:
			h, _ = w.book.write(firsts, h)
		}
	}
}
