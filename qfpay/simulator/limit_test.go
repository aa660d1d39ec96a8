package simulator

import (
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"github.com/qfpay-worker/qfpay-worker/qfpay"
)

func TestLimit_ACallOverItIsRefusedAndNotCarriedOut(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		g := New(Config{PerSecond: 3, PerMinute: 5, RetryAfter: RetryAfterSeconds})
		try := func(no string) int { return call(t, g, "payment", order(no)).status }
		for i, want := range []int{200, 200, 200, 429} {
			if got := try(string(rune('a' + i))); got != want {
				t.Errorf("call %d: %d", i, got)
			}
		}
		time.Sleep(time.Second - time.Nanosecond)
		if try("e") != 429 {
			t.Error("the window of a second ended early")
		}
		time.Sleep(time.Nanosecond)
		// All endpoints share the quota.
		if got := call(t, g, "query", qfpay.Params{"out_trade_no": "a"}).status; got != 200 {
			t.Error(got)
		}
		if try("f") != 200 {
			t.Error("the window of a second ended late")
		}
		time.Sleep(time.Second)
		over := call(t, g, "payment", order("g"))
		if after := over.header.Get("Retry-After"); over.status != 429 || after != "58" {
			t.Errorf("%d, Retry-After %s", over.status, after)
		}
		time.Sleep(58 * time.Second)
		if try("g") != 200 {
			t.Error("the window of a minute ended late, or a refused call was carried out")
		}
		if n, want := len(g.Orders()), 5; n != want {
			t.Errorf("%d orders, want %d", n, want)
		}
		if n := g.Throttled(SampleAppCode); n != 3 {
			t.Errorf("%d throttled", n)
		}
		if n := g.Peak(SampleAppCode, time.Second); n != 5 {
			t.Errorf("a peak of %d calls in a second", n)
		}
	})
}

func TestLimit_EachAppCodeHasItsOwnAndItCanBeChanged(t *testing.T) {
	accounts := SampleAccounts(2)
	g := still(Config{Merchants: accounts, PerSecond: 1})
	expect(t, g, "payment", order("A1"), "0000")
	if call(t, g, "payment", order("A2")).status != 429 {
		t.Error("over the limit")
	}
	other := form(t.Context(), "http://x", "payment", order("A1"))
	other.Header.Set("X-QF-APPCODE", accounts[1].AppCode)
	if r, err := do(g.Transport(), other); err != nil || r.status != 200 {
		t.Error("another merchant was stopped", err)
	}
	g.SetLimits(NoLimit, NoLimit)
	expect(t, g, "payment", order("A2"), "0000")
	g.SetLimits(0, 0)
	if g.perSecond != 100 || g.perMinute != 400 {
		t.Error("0 is not QFPay's own limit")
	}
}

func TestLimit_NoWindowEverHoldsMore(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		perSecond, perMinute := rapid.IntRange(1, 5).Draw(t, "per second"), rapid.IntRange(1, 12).Draw(t, "per minute")
		gaps := rapid.SliceOfN(rapid.IntRange(0, 9000), 1, 80).Draw(t, "gaps in ms")
		var l limits
		var admitted []time.Time
		now := noon
		for _, gap := range gaps {
			now = now.Add(time.Duration(gap) * time.Millisecond)
			room := within(admitted, now, time.Second) < perSecond && within(admitted, now, time.Minute) < perMinute
			wait, ok := l.admit(now, perSecond, perMinute)
			if ok != room {
				t.Fatalf("admitted %v, and there is room: %v", ok, room)
			}
			if ok {
				admitted = append(admitted, now)
			} else if soon := now.Add(wait); within(admitted, soon, time.Second) >= perSecond || within(admitted, soon, time.Minute) >= perMinute {
				t.Fatalf("no room after the wait of %s", wait)
			}
		}
	})
}

// within counts the times less than a window before now, the plain way.
func within(times []time.Time, now time.Time, window time.Duration) int {
	n := 0
	for _, t := range times {
		if now.Sub(t) < window {
			n++
		}
	}
	return n
}

func TestPeak_EveryWindowIsCounted(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var calls []Call
		now := noon
		for _, gap := range rapid.SliceOfN(rapid.IntRange(0, 900), 0, 40).Draw(t, "gaps in ms") {
			now = now.Add(time.Duration(gap) * time.Millisecond)
			calls = append(calls, Call{Time: now, AppCode: "a"}, Call{Time: now, AppCode: "b"})
		}
		most := 0
		for _, first := range calls {
			n := 0
			for _, c := range calls {
				if c.AppCode == "a" && !c.Time.Before(first.Time) && c.Time.Sub(first.Time) < time.Second {
					n++
				}
			}
			most = max(most, n)
		}
		if got := peak(calls, "a", time.Second); got != most {
			t.Fatalf("%d, want %d", got, most)
		}
	})
}
