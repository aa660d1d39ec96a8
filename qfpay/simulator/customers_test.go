package simulator

import (
	"fmt"
	"math"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
)

// states counts the rows of the ledger by type and state.
func states(g *Gateway) map[string]int {
	all := map[string]int{}
	for _, o := range g.Orders() {
		all[o.OrderType+" "+string(o.State)]++
	}
	return all
}

func TestCustomers_PayAsManyAsTheyShould(t *testing.T) {
	t.Parallel()
	after := Latency{time.Minute, 2 * time.Minute}
	for _, c := range []struct {
		customers Customers
		soon      map[string]int // after two minutes
		later     map[string]int // after an hour
	}{
		{Customers{}, map[string]int{"payment created": 10}, map[string]int{"payment expired": 10}},
		{Customers{Pay: 1, After: after}, map[string]int{"payment paid": 10}, map[string]int{"payment paid": 10}},
		{Customers{Pay: 1, Again: 1, After: after}, map[string]int{"payment paid": 10}, map[string]int{"payment paid": 20}},
		{Customers{Pay: 1, Refund: 1, After: after}, map[string]int{"payment paid": 10}, map[string]int{"payment refunded": 10, "refund paid": 10}},
		{Customers{Late: 1, After: after}, map[string]int{"payment created": 10}, map[string]int{"payment paid": 10}},
		{Customers{Pay: 1, Late: 1, After: Latency{time.Hour, time.Hour}}, map[string]int{"payment created": 10}, map[string]int{"payment expired": 10}},
	} {
		g := still(Config{Customers: c.customers})
		for i := range 10 {
			expect(t, g, "payment", order(fmt.Sprint("A", i)), "0000")
		}
		g.Advance(59 * time.Second)
		if d := cmp.Diff(map[string]int{"payment created": 10}, states(g)); d != "" {
			t.Errorf("%+v, at once:\n%s", c.customers, d)
		}
		g.Advance(61 * time.Second)
		if got := states(g); c.customers.After.Max < time.Hour && c.customers.Again+c.customers.Refund == 0 {
			if d := cmp.Diff(c.soon, got); d != "" {
				t.Errorf("%+v, soon:\n%s", c.customers, d)
			}
		}
		g.Advance(time.Hour)
		if d := cmp.Diff(c.later, states(g)); d != "" {
			t.Errorf("%+v, later:\n%s", c.customers, d)
		}
	}
}

// An order that was closed is not paid, whoever wants to.
func TestCustomers_CannotPayWhatIsClosed(t *testing.T) {
	g := still(Config{Customers: Customers{Pay: 1, Late: 1, After: Latency{time.Minute, time.Minute}}})
	syssn := expect(t, g, "payment", order("A1"), "0000").str("syssn")
	expect(t, g, "reversal", map[string]string{"syssn": syssn, "txamt": "300", "txdtm": "2026-03-10 12:00:00"}, "0000")
	g.Advance(2 * time.Hour)
	if got := state(g, "A1"); got != Closed {
		t.Error(got)
	}
}

// A seed gives the same customers, whatever the faults of calls and notifications are.
func TestCustomers_AreThoseOfTheSeed(t *testing.T) {
	with := func(seed uint64, f Faults) string {
		g := still(Config{Seed: seed, Faults: f, Customers: Customers{Pay: 0.5, Again: 0.3, Late: 0.3, Refund: 0.3, After: Latency{0, time.Minute}},
			Notify: Notify{URL: "https://shop.example/"}, PerMinute: NoLimit, PerSecond: NoLimit})
		for i := range 40 {
			expect(t, g, "payment", order(fmt.Sprint("A", i)), "0000")
		}
		g.Advance(2 * time.Hour)
		var all strings.Builder
		for _, o := range g.Orders() {
			fmt.Fprintln(&all, o.OutTradeNo, o.OrderType, o.State)
		}
		return all.String()
	}
	one := with(1, nil)
	if d := cmp.Diff(one, with(1, Faults{notifyLost: 0.5, "qrcode_newline": 0.5})); d != "" || one == with(2, nil) {
		t.Error(d)
	}
}

func TestCustomers_OnesThatCannotBeAreRefused(t *testing.T) {
	for _, c := range []Customers{{Pay: 1.1}, {Late: -1}, {Again: math.NaN()}, {Refund: 2}, {After: Latency{2, 1}}, {After: Latency{-1, 1}}} {
		if (Config{Customers: c}).Validate() == nil {
			t.Errorf("%+v is taken", c)
		}
	}
}

// The notifier wakes up for a customer, though nobody asks the gateway anything.
func TestCustomers_AreNotifiedOfWhenTheyPay(t *testing.T) {
	t.Parallel()
	c := configured
	c.Customers = Customers{Pay: 1, Again: 1, After: Latency{time.Minute, time.Minute}}
	got := notified(t, c, nil, func(t *testing.T, g *Gateway) {
		synctest.Wait() // it sleeps
		expect(t, g, "payment", order("A1"), "0000")
	})
	if len(got) != 2 || got[0].at != time.Minute || got[1].at != 2*time.Minute || got[0].body == got[1].body {
		t.Errorf("%+v", got)
	}
}

func TestPay_TwiceAndLateAreOrdersOfTheRightState(t *testing.T) {
	g := still(Config{})
	expect(t, g, "payment", order("A1"), "0000")
	if g.PayAgain("A1") == nil || g.PayLate("A1") == nil {
		t.Error("an unpaid order was paid twice, or late")
	}
	if code, body := admin(g, loopback, "POST", "pay?out_trade_no=A1"); code != 204 {
		t.Error(code, body)
	}
	if code, body := admin(g, loopback, "POST", "pay-again?out_trade_no=A1"); code != 204 {
		t.Error(code, body)
	}
	rows := call(t, g, "query", map[string]string{"out_trade_no": "A1"}).rows()
	if len(rows) != 2 || rows[0]["respcd"] != "0000" || rows[1]["respcd"] != "0000" || rows[0]["syssn"] == rows[1]["syssn"] {
		t.Errorf("%+v", rows)
	}
	expect(t, g, "payment", order("A2"), "0000")
	g.Advance(31 * time.Minute)
	if g.Pay("A2") == nil {
		t.Error("a code was paid that has run out")
	}
	if code, body := admin(g, loopback, "POST", "pay-late?out_trade_no=A2"); code != 204 || state(g, "A2") != Paid {
		t.Error(code, body)
	}
}
