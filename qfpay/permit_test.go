package qfpay

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
)

// clerk is a Limiter that notes what happens, in order.
type clerk struct {
	log   []string
	until time.Duration // how long a permit lasts; 0: for ever
	after time.Duration // how long Acquire takes
	errs  []error       // of the first calls of Acquire
}

func (c *clerk) Acquire(context.Context) (Permit, error) {
	c.log = append(c.log, "acquire")
	time.Sleep(c.after)
	if len(c.errs) > 0 {
		err := c.errs[0]
		c.errs = c.errs[1:]
		if err != nil {
			return Permit{}, err
		}
	}
	permit := Permit{Release: func() { c.log = append(c.log, "release") }}
	if c.until > 0 {
		permit.ExpiresAt = time.Now().Add(c.until)
	}
	return permit, nil
}

func (c *clerk) intent(took time.Duration, err error) func(context.Context) error {
	return func(context.Context) error {
		c.log = append(c.log, "intent")
		time.Sleep(took)
		return err
	}
}

func TestPermit_TheIntentFollowsItAndTheRequestFollowsTheIntent(t *testing.T) {
	t.Parallel()
	errJournal := errors.New("journal away")
	busy := &Throttled{RetryAfter: time.Minute}
	for _, row := range []struct {
		why      string
		clerk    clerk
		dialing  time.Duration
		intent   time.Duration
		failing  error
		want     string
		log      []string
		requests int64
	}{
		{"all is well", clerk{}, 0, 0, nil, "ok", []string{"acquire", "intent"}, 1},
		{"no permit, no intent", clerk{errs: []error{busy}}, 0, 0, nil, "throttled by limiter", []string{"acquire"}, 0},
		{"limiter away, no intent", clerk{errs: []error{errors.New("redis")}}, 0, 0, nil, "not sent", []string{"acquire"}, 0},
		{"no intent, no request", clerk{}, 0, 0, errJournal, "other: journal away", []string{"acquire", "intent", "release"}, 0},
		{"slow intent, new permit, no second intent", clerk{until: 100 * time.Millisecond}, 0, time.Second, nil, "ok", []string{"acquire", "intent", "release", "acquire"}, 1},
		{"slow intent, no new permit", clerk{until: 100 * time.Millisecond, errs: []error{nil, busy}}, 0, time.Second, nil, "throttled by limiter", []string{"acquire", "intent", "release", "acquire"}, 0},
		{"slow connection, new permit", clerk{until: 100 * time.Millisecond}, time.Second, 0, nil, "ok", []string{"acquire", "intent", "release", "acquire"}, 1},
		{"slow connection, no new permit", clerk{until: 100 * time.Millisecond, errs: []error{nil, busy}}, time.Second, 0, nil, "throttled by limiter", []string{"acquire", "intent", "release", "acquire"}, 0},
		{"slow connection, limiter away", clerk{until: 100 * time.Millisecond, errs: []error{nil, errors.New("redis")}}, time.Second, 0, nil, "not sent", []string{"acquire", "intent", "release", "acquire"}, 0},
		{"no connection, permit released", clerk{}, time.Hour, 0, nil, "not sent", []string{"acquire", "intent", "release"}, 0},
	} {
		t.Run(row.why, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p := &pipe{dialing: row.dialing, answer: created}
				c := p.client(t)
				c.Limiter = &row.clerk
				_, err := c.CreatePayment(t.Context(), testOrder(), row.clerk.intent(row.intent, row.failing))
				if got := kind(err); got != row.want {
					t.Errorf("%s, want %s: %v", got, row.want, err)
				}
				if row.failing != nil && err != row.failing {
					t.Errorf("the error of intent came back as %v", err)
				}
				if diff := cmp.Diff(row.log, row.clerk.log); diff != "" {
					t.Error(diff)
				}
				synctest.Wait()
				if p.requests.Load() != row.requests || row.requests == 0 && p.bytes.Load() != 0 {
					t.Errorf("%d requests, %d bytes arrived", p.requests.Load(), p.bytes.Load())
				}
				if row.dialing == 0 && p.dials.Load() != row.requests {
					t.Errorf("%d connections for %d requests", p.dials.Load(), row.requests)
				}
			})
		})
	}
}

func TestPermit_NothingIsWrittenOrSentForACallerThatHasGone(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p := &pipe{answer: created}
		c := p.client(t)
		k := &clerk{}
		c.Limiter = k
		errGone := errors.New("gone")
		ctx, cancel := context.WithCancelCause(t.Context())
		cancel(errGone)
		_, err := c.CreatePayment(ctx, testOrder(), k.intent(0, nil))
		if kind(err) != "not sent" || !errors.Is(err, errGone) || len(k.log) != 0 {
			t.Errorf("%v, %v", err, k.log)
		}
	})
}

func TestPermit_ACallerThatGoesAfterTheIntentSendsNothing(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p := &pipe{answer: created}
		c := p.client(t)
		k := &clerk{}
		c.Limiter = k
		ctx, cancel := context.WithCancel(t.Context())
		_, err := c.CreatePayment(ctx, testOrder(), func(context.Context) error { cancel(); return nil })
		if diff := cmp.Diff([]string{"acquire", "release"}, k.log); diff != "" || kind(err) != "not sent" || p.bytes.Load() != 0 {
			t.Errorf("%v\n%s", err, diff)
		}
	})
}

func TestPermit_TheWaitForItIsNoPartOfTheCall(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p := &pipe{answer: created}
		c := p.client(t)
		c.Timeout = time.Second
		c.Limiter = &clerk{after: 5 * time.Second}
		var call Call
		c.OnCall = func(got Call) { call = got }
		if _, err := c.CreatePayment(t.Context(), testOrder(), (&clerk{}).intent(time.Minute, nil)); err != nil {
			t.Fatal(err)
		}
		want := Call{Endpoint: "payment", Result: "0000", Wait: 5 * time.Second, SendDelay: time.Minute, Signature: SignatureAbsent}
		if diff := cmp.Diff(want, call); diff != "" {
			t.Error(diff)
		}
	})
}

func TestPermit_ARefusedPermitIsNoCall(t *testing.T) {
	t.Parallel()
	g, c := newGateway(t, says(createdBody()))
	c.Limiter = limiterFunc(func(context.Context) (Permit, error) {
		return Permit{}, &Throttled{RetryAfter: 3 * time.Second}
	})
	_, err := c.CreatePayment(t.Context(), testOrder(), nil)
	throttled, ok := errors.AsType[*Throttled](err)
	if !ok || throttled.Endpoint != "payment" || throttled.RetryAfter != 3*time.Second || len(g.results()) != 0 {
		t.Errorf("%v, %v", err, g.results())
	}
}
