package probe

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/qfpay-worker/qfpay-worker/qfpay"
	"github.com/qfpay-worker/qfpay-worker/qfpay/simulator"
)

// fullDisk takes so many lines, and then no more.
type fullDisk struct {
	noFile
	left int
}

var errFull = errors.New("no space left")

func (f *fullDisk) Write(p []byte) (int, error) {
	if f.left--; f.left < 0 {
		return 0, errFull
	}
	return len(p), nil
}

// Wherever a probe is stopped, also between a create and its answer, the next run closes what is left
// and finds out the same.
func TestProbe_GoesOnWhereItWasStopped(t *testing.T) {
	t.Parallel()
	config := simulator.Config{Closing: map[qfpay.PayType][]string{qfpay.WeChat: {"close", "reversal"}}}
	config.Takes.GoodsName = simulator.NamesOfSale
	for lines := 0; ; lines++ {
		whole := false
		synctest.Test(t, func(t *testing.T) {
			time.Sleep(240 * time.Hour)
			g := simulator.New(config)
			p := proberOf(g, qfpay.WeChat)
			p.Journal.file = &fullDisk{left: lines}
			err := p.Run(t.Context())
			whole = err == nil
			if !whole && !errors.Is(err, errFull) {
				t.Fatalf("after %d lines: %v", lines, err)
			}
			p.Journal.file = noFile{}
			time.Sleep(time.Minute)
			if err := p.Run(t.Context()); err != nil {
				t.Fatalf("after %d lines: %v", lines, err)
			}
			for q, f := range answers(Findings(p.Journal.Observations(), p.PayTypes), qfpay.WeChat) {
				if !f.Known() && q != OnURLUsed {
					t.Errorf("after %d lines: %s: %s (%s)", lines, q, f.Answer, f.Evidence)
				}
			}
			for _, o := range g.Orders() {
				if o.State != simulator.Closed {
					t.Errorf("after %d lines: %s is %s", lines, o.OutTradeNo, o.State)
				}
			}
			if n := len(g.Orders()); n > 4 {
				t.Errorf("after %d lines: %d orders", lines, n)
			}
			if left := Leftovers(p.Journal.Observations(), p.PayTypes, time.Now()); len(left) > 0 {
				t.Errorf("after %d lines: left %v", lines, left)
			}
		})
		if whole || t.Failed() {
			break
		}
	}
}

func TestProbe_StopsWhenItIsToldTo(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		p := proberOf(simulator.New(simulator.Config{}), qfpay.FPS)
		calls := 0
		p.Progress = func(Observation) {
			if calls++; calls == 3 {
				cancel()
			}
		}
		if err := p.Run(ctx); !errors.Is(err, context.Canceled) || calls != 3 {
			t.Errorf("%v after %d calls", err, calls)
		}
	})
}

// Of a gateway that nobody reaches, or that refuses the credentials, the probe says so and stops early.
func TestProbe_StopsWhereNothingCanBeFound(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		g := simulator.New(simulator.Config{Faults: simulator.Faults{"unreachable": 1}})
		p := proberOf(g, qfpay.PayTypes()...)
		err := p.Run(t.Context())
		f := answers(Findings(p.Journal.Observations(), p.PayTypes), p.PayTypes[0])[OnSHA256]
		if !errors.Is(err, ErrNotReached) || strings.Contains(f.Evidence, "not sent: not sent") {
			t.Errorf("unreachable: %v; %s", err, f.Evidence)
		}

		g = simulator.New(simulator.Config{Faults: simulator.Faults{"http_429": 1}})
		if err := proberOf(g, qfpay.PayTypes()...).Run(t.Context()); !errors.Is(err, ErrThrottled) || len(g.Calls()) != maxThrottled+1 {
			t.Errorf("throttled: %v after %d calls", err, len(g.Calls()))
		}

		g = simulator.New(simulator.Config{})
		p = proberOf(g, qfpay.FPS, qfpay.PayMe)
		p.Client.Merchant.Key = "another key"
		if err := p.Run(t.Context()); !errors.Is(err, ErrCredentials) || len(g.Calls()) != 4 || len(g.Orders()) != 0 {
			t.Errorf("a wrong key: %v, %d calls", err, len(g.Calls()))
		}
		f = answers(Findings(p.Journal.Observations(), p.PayTypes), qfpay.FPS)[OnSHA256]
		if f.Known() || !strings.Contains(f.Evidence, "both hashes refused; are key") {
			t.Errorf("a wrong key: %s: %s", f.Answer, f.Evidence)
		}

		g = simulator.New(simulator.Config{Merchants: []simulator.Account{{AppCode: simulator.SampleAppCode, Key: simulator.SampleKey, PayTypes: []qfpay.PayType{qfpay.FPS}}}})
		p = proberOf(g, qfpay.PayMe, qfpay.FPS)
		if err := p.Run(t.Context()); err != nil {
			t.Error(err)
		}
		findings := Findings(p.Journal.Observations(), p.PayTypes)
		if f := answers(findings, qfpay.PayMe)[OnSHA256]; f.Known() || !strings.Contains(f.Evidence, "filter error") {
			t.Errorf("a pay type that is not enabled: %s: %s", f.Answer, f.Evidence)
		}
		if f := answers(findings, qfpay.FPS)[OnSHA256]; f.Answer != IsTaken {
			t.Errorf("the other one: %s: %s", f.Answer, f.Evidence)
		}
	})
}

// What a run with a wrong key was told counts for nothing once the key is mended.
func TestProbe_AWrongKeyIsForgottenWhenItIsMended(t *testing.T) {
	t.Parallel()
	for signs, want := range map[simulator.SignResponses]Answer{simulator.SignBody: IsRight, simulator.SignNone: IsAbsent} {
		for wrong := range 2 { // the run with the wrong key, of three
			synctest.Test(t, func(t *testing.T) {
				time.Sleep(240 * time.Hour)
				p := proberOf(simulator.New(simulator.Config{SignResponses: signs}), qfpay.WeChat)
				right := p.Client.Merchant.Key
				for i := range 3 {
					time.Sleep(time.Minute)
					ctx, cancel := context.WithCancel(t.Context())
					p.Client.Merchant.Key, p.Progress = right, func(Observation) {}
					switch i {
					case wrong:
						p.Client.Merchant.Key = "another key"
					case 1 - wrong:
						p.Progress = func(o Observation) {
							if o.Trial == Space {
								cancel() // with questions left
							}
						}
					}
					if err := p.Run(ctx); errors.Is(err, ErrCredentials) != (i == wrong) || (err == nil) != (i == 2) {
						t.Fatalf("%s, wrong in run %d: run %d: %v", signs, wrong, i, err)
					}
					cancel()
					if f := answers(Findings(p.Journal.Observations(), p.PayTypes), qfpay.WeChat)[OnSpace]; i < 2 && f.Known() {
						t.Errorf("%s, wrong in run %d: run %d: %s: %s", signs, wrong, i, f.Answer, f.Evidence)
					}
				}
				found := answers(Findings(p.Journal.Observations(), p.PayTypes), qfpay.WeChat)
				for q, want := range map[Question]Answer{OnSHA256: IsTaken, OnMD5: IsTaken, OnSignature: want, OnSpace: IsRefused, OnUnderscore: IsTaken} {
					if f := found[q]; f.Answer != want || strings.Contains(f.Evidence, "1108") {
						t.Errorf("%s, wrong in run %d: %s: %s (%s)", signs, wrong, q, f.Answer, f.Evidence)
					}
				}
				if left := Leftovers(p.Journal.Observations(), p.PayTypes, time.Now()); len(left) > 0 {
					t.Errorf("%s, wrong in run %d: left %v", signs, wrong, left)
				}
			})
		}
	}
}

// With Stay, one run waits until orders are older, and knows all.
func TestProbe_WaitsUntilOrdersAreOlder(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p := proberOf(simulator.New(simulator.Config{Faults: simulator.Faults{"close.young": 1, "reversal.young": 1}}), qfpay.WeChat)
		p.Stay = true
		if err := p.Run(t.Context()); err != nil {
			t.Fatal(err)
		}
		found := answers(Findings(p.Journal.Observations(), p.PayTypes), qfpay.WeChat)
		for _, q := range []Question{OnClose, OnReversal} {
			if found[q].Answer != WorksLater {
				t.Errorf("%s: %s (%s)", q, found[q].Answer, found[q].Evidence)
			}
		}
	})
}

// No order is closed that was paid in between: a reversal would refund it. The report says so.
func TestProbe_ClosesNoPaidOrder(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		time.Sleep(240 * time.Hour)
		g := simulator.New(simulator.Config{})
		p := proberOf(g, qfpay.AlipayHK)
		p.Progress = func(o Observation) {
			if o.Event == Create && o.Verdict == Done {
				if err := g.Pay(o.Number); err != nil {
					t.Error(err)
				}
			}
		}
		if err := p.Run(t.Context()); err != nil {
			t.Fatal(err)
		}
		for _, c := range g.Calls() {
			if c.Endpoint == "close" || c.Endpoint == "reversal" {
				t.Errorf("%s of %s", c.Endpoint, c.OutTradeNo)
			}
		}
		left := Leftovers(p.Journal.Observations(), p.PayTypes, time.Now())
		if len(left) == 0 || len(left) != len(g.Orders()) || !left[0].Paid {
			t.Errorf("of %d paid orders, these are left: %v", len(g.Orders()), left)
		}
	})
}
