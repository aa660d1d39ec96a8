package probe

import (
	"errors"
	"flag"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/qfpay-worker/qfpay-worker/qfpay"
	"github.com/qfpay-worker/qfpay-worker/qfpay/simulator"
)

// hostile are gateways that fail, are slow, or answer oddly.
var hostile = map[string]func(*simulator.Config){
	"faults": func(c *simulator.Config) {
		c.Faults = simulator.Faults{"drop": 0.1, "drop_after": 0.15, "reset_after": 0.05, "truncated": 0.05, "http_502_after": 0.05, "html": 0.05}
	},
	"slow": func(c *simulator.Config) {
		c.Latency = simulator.Latency{Min: 500 * time.Millisecond, Max: 7 * time.Second} // beyond the timeout
		c.Faults = simulator.Faults{"land_late": 0.1, "answer_late": 0.1, "payment.slow_visibility": 0.3}
	},
	"429": func(c *simulator.Config) { c.PerMinute = 25 },
	"odd answers": func(c *simulator.Config) {
		c.Faults = simulator.Faults{"gzip": 0.05, "bom": 0.05, "txamt_float": 0.05, "number_case": 0.05, "currency_number": 0.05,
			"query.data_null": 0.1, "query.data_missing": 0.1, "query.page_text": 0.1, "query.order_type_odd": 0.1,
			"payment.no_qrcode": 0.1, "payment.wrong_echo": 0.1, "payment.respcd_1298_live": 0.1, "payment.respcd_1252_unsaid": 0.1}
	},
	"refusals of the moment": func(c *simulator.Config) {
		c.Faults = simulator.Faults{"respcd_1100": 0.1, "respcd_1297": 0.1, "respcd_1296:频繁": 0.1, "respcd_1145": 0.05, "payment.respcd_1205_failed": 0.1}
	},
	"forgers": func(c *simulator.Config) {
		c.Faults = simulator.Faults{"bad_signature": 0.1, "no_signature": 0.1, "reflected_after": 0.05, "stripped_after": 0.05}
	},
}

// seeds is how many times each hostile gateway is tried.
var seeds = flag.Uint64("seeds", 1, "try each hostile gateway with this many seeds")

// No gateway, however bad, makes the probe say what is not so. It says that it does not know.
func TestProbe_AHostileGatewayMakesNothingUp(t *testing.T) {
	t.Parallel()
	for name, set := range hostile {
		for _, c := range []combination{{0, 0, 0, 0, 0, 0, 0, 0}, {1, 5, 3, 1, 1, 1, 0, 2}, {2, 4, 6, 2, 0, 4, 1, 0}} {
			mode, config, right := c.gatewayOf()
			extra := simulator.Config{}
			set(&extra)
			config.Latency, config.PerMinute = extra.Latency, extra.PerMinute
			config.Faults = merged(config.Faults, extra.Faults)
			for seed := range *seeds {
				config.Seed = seed
				synctest.Test(t, func(t *testing.T) {
					testHostile(t, fmt.Sprintf("%s, %sseed %d: ", name, mode, seed), config, right, both[seed%2])
				})
			}
		}
	}
}

// merged adds faults; those that are certain stay so.
func merged(certain, more simulator.Faults) simulator.Faults {
	if len(certain) > 0 {
		return certain
	}
	return more
}

func testHostile(t *testing.T, name string, config simulator.Config, right map[Question]Answer, payType qfpay.PayType) {
	time.Sleep(240 * time.Hour)
	g := simulator.New(config)
	p := proberOf(g, payType)
	known := 0
	for range 2 {
		if err := p.Run(t.Context()); err != nil && !errors.Is(err, ErrThrottled) {
			t.Fatalf("%s%v", name, err)
		}
		for q, f := range answers(Findings(p.Journal.Observations(), p.PayTypes), payType) {
			if !f.Known() {
				continue
			}
			known++
			if !mayBe(f, right[q], payType) {
				t.Errorf("%s%s %s: %s (%s), but it is %s", name, payType, q, f.Answer, f.Evidence, right[q])
			}
		}
		time.Sleep(5*time.Minute + 30*time.Second)
	}
	if known < 4 {
		t.Errorf("%sonly %d answers in two runs", name, known)
	}
	for _, o := range g.Orders() {
		if o.State == simulator.Refunded || o.State == simulator.Paid {
			t.Errorf("%s%s is %s", name, o.OutTradeNo, o.State)
		}
	}
	if n := len(g.Orders()); n > 40 {
		t.Errorf("%s%d orders in two runs", name, n)
	}
}

// mayBe reports whether a finding does not contradict what is so.
func mayBe(f Finding, right Answer, p qfpay.PayType) bool {
	switch f.Question {
	case OnLag, OnSignature, OnRow: // faults change them
		return true
	case OnClose, OnReversal:
		if right == WorksLater && p != qfpay.WeChat {
			right = Works
		}
		if right == WorksLater {
			return f.Answer == RefusedYoung || f.Answer == WorksLater || f.Answer == Works // only an old order was tried
		}
		return f.Answer == right || right == IsRefused && f.Answer == RefusedYoung
	}
	return f.Answer == right
}
