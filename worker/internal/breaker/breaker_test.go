package breaker

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"github.com/qfpay-worker/qfpay-worker/qfpay"
	"github.com/qfpay-worker/qfpay-worker/worker/internal/timing"
)

const answerWithin = 14 * time.Second

// shop is a merchant whose orders come one by one, each answered at once.
type shop struct {
	b     Breaker
	calls map[qfpay.PayType]int
	held  []string // what OnChange said
}

func newShop() *shop {
	s := &shop{calls: map[qfpay.PayType]int{}}
	s.b.OnChange = func(on Scope, held bool) { s.held = append(s.held, fmt.Sprint(on.PayType, on.Reason, held)) }
	return s
}

// order makes one attempt: refused as reason, or taken when that is empty. It returns how long
// the order has to wait, 0 when it was sent.
func (s *shop) order(id string, t qfpay.PayType, reason string) time.Duration {
	now := time.Now()
	if wait := s.b.Admit(now, id, t, answerWithin); wait > 0 {
		return wait
	}
	s.calls[t]++
	if reason == "" {
		s.b.Take(now, t)
	} else {
		s.b.Refuse(now, id, t, reason)
	}
	return 0
}

func (s *shop) said(t *testing.T, want ...string) {
	t.Helper()
	if got := fmt.Sprint(s.held); got != fmt.Sprint(want) {
		t.Errorf("held: %s, want %s", got, want)
	}
}

func TestBreaker_HoldsAMerchantOfWhichNothingIsTaken(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newShop()
		for i := range 100 {
			s.order(fmt.Sprint(i), qfpay.PayTypes()[i%7], "1108")
		}
		sent := 0
		for _, n := range s.calls {
			sent += n
		}
		if sent > fewRefusals+7 { // and one of each pay type that had none yet
			t.Errorf("%d calls with a refused key", sent)
		}
		s.said(t, "1108true")
	})
}

// A key that was good until now: it takes more refusals, of all pay types in use.
func TestBreaker_HoldsAMerchantThatWasTakenBefore(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newShop()
		for _, p := range qfpay.PayTypes() {
			s.order("first", p, "")
		}
		clear(s.calls)
		for i := range 100 {
			s.order(fmt.Sprint(i), qfpay.PayTypes()[i%7], "1203")
		}
		sent := 0
		for _, n := range s.calls {
			sent += n
		}
		if sent > manyRefusals {
			t.Errorf("%d calls of a merchant that is refused, want %d at most", sent, manyRefusals)
		}
		s.said(t, "1203true")
	})
}

func TestBreaker_HoldsOnePayTypeWhileAnotherIsTaken(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newShop()
		s.order("first", qfpay.FPS, "")
		for i := range 60 {
			if wait := s.order(fmt.Sprint("good", i), qfpay.AlipayHK, ""); wait > 0 {
				t.Fatalf("good order %d waits %s", i, wait)
			}
			for j := range 15 {
				s.order(fmt.Sprint("bad", i, j), qfpay.FPS, "1104")
			}
			time.Sleep(2 * time.Second)
		}
		s.said(t, "8020011104true")
		if n := s.calls[qfpay.FPS]; n > manyRefusals+5 { // probes after 5, 10, 20, 40 s
			t.Errorf("%d calls of a pay type that is refused", n)
		}
		time.Sleep(timing.MaxOpen)
		s.order("probe", qfpay.FPS, "")
		s.said(t, "8020011104true", "8020011104false")
	})
}

// The merchant's other pay type had no order yet when three orders of one were refused. Its
// first order shows that the credentials are good.
func TestBreaker_NarrowsAHoldDown(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newShop()
		for i := range 3 {
			s.order(fmt.Sprint(i), qfpay.FPS, "1104")
		}
		if wait := s.order("good", qfpay.AlipayHK, ""); wait > 0 {
			t.Errorf("the first order of another pay type waits %s", wait)
		}
		s.order("another", qfpay.AlipayHK, "")
		s.said(t, "1104true", "1104false", "8020011104true")
		for i := range 20 {
			s.order(fmt.Sprint("more", i), qfpay.FPS, "1104")
		}
		if n := s.calls[qfpay.FPS]; n > 4 { // and a probe
			t.Errorf("%d calls", n)
		}
	})
}

// One order that is always refused never holds the others up, whatever the code.
func TestBreaker_LeavesAPoisonedOrderAlone(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newShop()
		for i := range 60 {
			s.order("poison", qfpay.AlipayHK, "1108")
			if wait := s.order(fmt.Sprint(i), qfpay.AlipayHK, ""); wait > 0 {
				t.Fatalf("a good order waits %s", wait)
			}
			time.Sleep(2 * time.Second)
		}
		s.said(t)
	})
	if a, b, c := AlonePause(timing.MinOpen, 1), AlonePause(timing.MinOpen, 3), AlonePause(timing.MinOpen, 100); a != timing.MinOpen || b != 4*a || c != timing.MaxOpen {
		t.Errorf("a refused order waits %s, then %s, at last %s", a, b, c)
	}
}

// Some of the refused orders of a merchant that is taken again are refused for good. They must
// not be the only probes.
func TestBreaker_ProbesWithOtherOrdersThanThoseRefused(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newShop()
		for i := range 3 {
			s.order(fmt.Sprint("poison", i), qfpay.AlipayHK, "1108")
		}
		if s.order("good", qfpay.AlipayHK, "") == 0 {
			t.Fatal("not held")
		}
		time.Sleep(timing.MinOpen)
		if s.order("poison1", qfpay.AlipayHK, "1108") == 0 {
			t.Error("an order that was refused goes before one that was not")
		}
		if wait := s.order("good", qfpay.AlipayHK, ""); wait > 0 {
			t.Errorf("the other order is not the probe: it waits %s", wait)
		}
		s.said(t, "1108true", "1108false")
	})
}

// Without another order, the refused one is the probe; and one at a time.
func TestBreaker_SendsOneProbeAtATime(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newShop()
		for i := range 3 {
			s.order(fmt.Sprint(i), qfpay.AlipayHK, "1108")
		}
		time.Sleep(timing.MinOpen)
		now := time.Now()
		if s.b.Admit(now, "1", qfpay.AlipayHK, answerWithin) > 0 {
			t.Error("no probe when the pause is over")
		}
		if s.b.Admit(now, "2", qfpay.AlipayHK, answerWithin) == 0 {
			t.Error("a second probe before the first was answered")
		}
		if s.b.Admit(now, "1", qfpay.AlipayHK, answerWithin) > 0 {
			t.Error("the probe has to wait when it asks again")
		}
		s.b.Refuse(now, "2", qfpay.AlipayHK, "1108") // was on its way before
		s.b.Refuse(now, "1", qfpay.AlipayHK, "1108")
		if s.order("new", qfpay.AlipayHK, "") == 0 {
			t.Error("another probe at once")
		}
		time.Sleep(2 * timing.MinOpen)
		if s.order("new", qfpay.AlipayHK, "") > 0 {
			t.Error("after a refused probe the pause is more than doubled")
		}
	})
}

// Orders of all pay types come at random. From some moment on, some of the pay types are refused,
// perhaps all, and two orders of the others always are. Good pay types flow, refused ones are
// probed, and what is refused as a whole costs few calls.
func TestBreaker_HoldsWhatIsRefusedAndNothingElse(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		some := func(least int, name string) []qfpay.PayType {
			return rapid.SliceOfNDistinct(rapid.SampledFrom(qfpay.PayTypes()), least, 7, rapid.ID).Draw(t, name)
		}
		used, refused := some(1, "used"), some(0, "refused")
		begins := rapid.IntRange(0, 100).Draw(t, "begins")
		poison := rapid.Float64Range(0, .5).Draw(t, "poison")
		random := rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "seed"), 0))

		s, now := newShop(), time.Unix(0, 0)
		late, probed := 0, map[qfpay.PayType]time.Time{}
		const orders = 600
		for i := range orders {
			now = now.Add(time.Duration(random.Int64N(int64(time.Second))))
			p, id, reason := used[random.IntN(len(used))], fmt.Sprint(i), ""
			switch bad := i >= begins && slices.Contains(refused, p); {
			case bad:
				reason = "2012"
			case random.Float64() < poison:
				id, reason = fmt.Sprint("poison", random.IntN(2)), "1108"
			}
			wait := s.b.Admit(now, id, p, answerWithin)
			switch {
			case wait == 0 && reason == "":
				s.b.Take(now, p)
			case wait == 0:
				s.b.Refuse(now, id, p, reason)
				s.calls[p]++
				probed[p] = now
			case reason == "":
				late++
			case !probed[p].IsZero() && now.Sub(probed[p]) > timing.MaxOpen+timing.ProbeOther:
				t.Fatalf("%s was not probed for %s", p, now.Sub(probed[p]))
			}
		}
		if late > orders/20 {
			t.Errorf("%d of %d orders wait, though they would be taken", late, orders)
		}
		probes := 0
		for left, pause := now.Sub(time.Unix(0, 0)), timing.MinOpen; left > 0; left, pause = left-pause, min(2*pause, timing.MaxOpen) {
			probes++
		}
		for _, p := range refused {
			if n := s.calls[p]; n > begins+manyRefusals+probes {
				t.Errorf("%d calls of %s, which is refused", n, p)
			}
		}
	})
}
