package simulator

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptrace"
	"testing"
	"testing/synctest"
	"time"
)

func TestTransport_TheTraceTellsWhetherTheRequestWasSent(t *testing.T) {
	for fault, want := range map[Fault]bool{"": true, "reset": true, "drop_after": true, "unreachable": false} {
		g := still(Config{})
		if fault != "" {
			g.SetFaults(Faults{fault: 1})
		}
		var headers, wrote bool
		ctx := httptrace.WithClientTrace(t.Context(), &httptrace.ClientTrace{
			WroteHeaders: func() { headers = true },
			WroteRequest: func(i httptrace.WroteRequestInfo) { wrote = i.Err == nil },
		})
		_, _ = send(ctx, g, "payment", order("A1"))
		if headers != want || wrote != want {
			t.Errorf("%q: headers %v, request %v, want %v", fault, headers, wrote, want)
		}
	}
}

func TestTransport_ACallGivenUpBeforeItIsSentNeverArrives(t *testing.T) {
	g := still(Config{})
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := send(ctx, g, "payment", order("A1")); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	if len(g.Calls()) != 0 {
		t.Error("it arrived")
	}
}

func TestTransport_ACallGivenUpUnderWayIsCarriedOutAllTheSame(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		g := New(Config{Latency: Latency{time.Second, time.Second}})
		for _, test := range []struct {
			no       string
			patience time.Duration
			held     State // when its caller gives up
		}{
			{"early", 400 * time.Millisecond, ""},     // before it is carried out
			{"late", 600 * time.Millisecond, Created}, // after, and before the answer
		} {
			ctx, cancel := context.WithTimeout(t.Context(), test.patience)
			_, err := send(ctx, g, "payment", order(test.no))
			cancel()
			if !errors.Is(err, context.DeadlineExceeded) || state(g, test.no) != test.held {
				t.Errorf("%s: %v, %s", test.no, err, state(g, test.no))
			}
			time.Sleep(time.Second)
			if calls := g.Calls(); !calls[len(calls)-1].Stored {
				t.Errorf("%s: the journal does not have it", test.no)
			}
			if state(g, test.no) != Created {
				t.Errorf("%s: was not carried out", test.no)
			}
		}
	})
}

func TestTransport_CallsLandUnseenInTheOrderInWhichTheyAreDue(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		g := New(Config{Latency: Latency{2 * time.Second, 2 * time.Second}})
		fault := Fault("land_late")
		g.Choose(func(Call) Fault { return fault })
		for _, no := range []string{"arrives_first", "lands_first"} {
			ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
			_, _ = send(ctx, g, "payment", order(no))
			cancel()
			fault = ""
		}
		time.Sleep(time.Minute)
		orders := g.Orders()
		if len(orders) != 2 || orders[0].OutTradeNo != "lands_first" {
			t.Errorf("%+v", orders)
		}
	})
}

func TestLatency_ACallTakesItsLatency(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l := Latency{50 * time.Millisecond, 300 * time.Millisecond}
		g := New(Config{Latency: l, Seed: 3})
		shortest, longest := time.Hour, time.Duration(0)
		for range 50 {
			start := time.Now()
			call(t, g, "query", order("A1"))
			took := time.Since(start)
			shortest, longest = min(shortest, took), max(longest, took)
		}
		if shortest < l.Min || longest > l.Max || longest-shortest < 100*time.Millisecond {
			t.Errorf("from %s to %s", shortest, longest)
		}
	})
}

func TestAdvance_CallsThatAreDueAreCarriedOut(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		g := New(Config{Faults: Faults{"payment.land_late": 1}})
		answered := make(chan string)
		go func() { answered <- outcome(send(t.Context(), g, "payment", order("A1"))) }()
		synctest.Wait()
		g.Advance(15 * time.Second)
		if state(g, "A1") != Created {
			t.Error("was not carried out")
		}
		if got := <-answered; got != "0000" || len(g.Orders()) != 1 {
			t.Error(got, len(g.Orders()))
		}
	})
}

func TestTransport_ManyCallersAtOnceLoseNothing(t *testing.T) {
	t.Parallel()
	g := New(Config{PerSecond: NoLimit, PerMinute: NoLimit, Latency: Latency{0, time.Millisecond}})
	client := &http.Client{Transport: g.Transport()}
	done := make(chan error)
	const callers, each = 8, 25
	for c := range callers {
		go func() {
			for i := range each {
				r, err := client.Do(form(t.Context(), "http://x", "payment", order(string(rune('a'+c))+string(rune('A'+i)))))
				if err != nil {
					done <- err
					return
				}
				r.Body.Close()
			}
			done <- nil
		}()
	}
	for range callers {
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
	if len(g.Orders()) != callers*each || len(g.Calls()) != callers*each {
		t.Error(len(g.Orders()), len(g.Calls()))
	}
}
