package probe

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"time"

	"github.com/qfpay-worker/qfpay-worker/qfpay"
)

// Prober asks the questions about some pay types of an account.
type Prober struct {
	Client    qfpay.Client // its Verify must be warn, and its OnCall is replaced
	PayTypes  []qfpay.PayType
	TxAmt     int64
	TxCurrCd  string
	NotifyURL string
	Gap       time.Duration // from one call to the next
	Patience  time.Duration // how long to wait for a query to show something
	Stay      bool          // wait until orders are 5 minutes old, if that answers a question
	Journal   *Journal
	Progress  func(Observation) // called after every call
}

// ErrThrottled means that QFPay answered HTTP 429 too often.
var ErrThrottled = errors.New("QFPay answered HTTP 429 again and again: does something else use this app_code? Run the probe again when it is quiet")

// ErrCredentials means that QFPay refused every signature.
var ErrCredentials = errors.New("QFPay refuses the signature of every call: are key, app_code, mchid and address of one account?")

// ErrNotReached means that no call left: there was no connection.
var ErrNotReached = errors.New("QFPay cannot be reached")

// maxNotSent is the most calls in a row that do not leave.
const maxNotSent = 3

// maxThrottled is the most HTTP 429 of one run.
const maxThrottled = 3

// Run asks what is open, closes what it has created, and writes everything into the journal. When
// ctx ends, it stops: the next Run goes on.
func (p *Prober) Run(ctx context.Context) error {
	if err := p.Journal.Add(Observation{At: time.Now(), Event: Begun}); err != nil {
		return err
	}
	r := &run{Prober: p}
	for _, stay := range []bool{false, true} {
		if stay && !p.Stay {
			break
		}
		for _, t := range p.PayTypes {
			if err := r.wallet(ctx, t, stay); err != nil {
				return err
			}
		}
	}
	return nil
}

// run is one run of a Prober.
type run struct {
	*Prober
	called    time.Time // the last call
	throttled int
	notSent   int           // calls in a row that did not leave
	quiet     time.Duration // to wait before the next call, after HTTP 429
}

// wallet works a pay type off.
func (r *run) wallet(ctx context.Context, t qfpay.PayType, stay bool) error {
	for {
		w := readWallet(r.Journal.Observations(), t)
		next := planner{wallet: w, now: time.Now(), patience: r.Patience, stay: stay}.next()
		if next == nil {
			return r.credentials(w)
		}
		if err := r.await(ctx, next.after); err != nil {
			return err
		}
		if err := r.take(ctx, t, next); err != nil {
			return err
		}
	}
}

// credentials returns an error if every answer of this run has refused the signature. Other pay types
// would not fare better.
func (r *run) credentials(w *wallet) error {
	refused := 0
	for _, o := range w.thisRun(r.Journal.Observations()) {
		if takesKey(o) {
			return nil
		}
		if o.RespCd.RefusesSignature() {
			refused++
		}
	}
	if refused >= 4 {
		return ErrCredentials
	}
	return nil
}

// await waits until a call may leave: until after, the gap, and what HTTP 429 asks for.
func (r *run) await(ctx context.Context, after time.Time) error {
	if earliest := r.called.Add(max(r.Gap, r.quiet)); earliest.After(after) {
		after = earliest
	}
	r.quiet = 0
	timer := time.NewTimer(max(0, time.Until(after)))
	defer timer.Stop()
	select {
	case <-timer.C:
		return context.Cause(ctx)
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// take makes a call and notes how it ended.
func (r *run) take(ctx context.Context, t qfpay.PayType, s *step) error {
	o := r.order(t, s)
	seen := Observation{At: time.Now(), Event: s.event, PayType: t, Number: o.OutTradeNo, TxDtm: o.TxDtm, Sign: s.sign}
	if s.event == Create {
		seen.Trial = s.trial
	}
	r.called = seen.At
	seen, err := r.call(ctx, s, o, seen)
	if err != nil {
		return err
	}
	seen.Took = time.Since(seen.At)
	r.called = time.Now()
	if err := r.Journal.Add(seen); err != nil {
		return err
	}
	if r.Progress != nil {
		r.Progress(seen)
	}
	return r.heed(ctx, seen)
}

// heed waits after HTTP 429, and ends the run after too many.
func (r *run) heed(ctx context.Context, seen Observation) error {
	if err := context.Cause(ctx); err != nil {
		return err
	}
	if r.notSent++; seen.Verdict != NotSent {
		r.notSent = 0
	}
	if r.notSent >= maxNotSent {
		return fmt.Errorf("%w: %s", ErrNotReached, seen.Words)
	}
	if seen.Verdict != Throttled {
		return nil
	}
	r.throttled++
	if r.throttled > maxThrottled {
		return ErrThrottled
	}
	r.quiet = min(max(seen.Wait, 5*time.Second<<r.throttled), 65*time.Second)
	return nil
}

// call makes the call of a step. A create is in the journal before it leaves. Its error is one of
// the journal.
func (r *run) call(ctx context.Context, s *step, o qfpay.Order, seen Observation) (Observation, error) {
	client := r.Client
	client.Merchant.SignType = s.sign
	var made qfpay.Call
	client.OnCall = func(c qfpay.Call) { made = c }
	var err, journal error
	switch s.event {
	case Create:
		var p qfpay.Payment
		p, err = client.CreatePayment(ctx, o, func(context.Context) error {
			intent := seen
			intent.Event, intent.TxAmt, intent.Cur, intent.URL = Sent, o.TxAmt, o.TxCurrCd, o.NotifyURL
			journal = r.Journal.Add(intent)
			return journal
		})
		if err == nil {
			seen = seen.created(p)
		}
	case Query:
		var rows []qfpay.Record
		rows, err = client.Query(ctx, []string{o.OutTradeNo}, qfpay.MonthsAround(sentAt(s, seen), seen.At))
		if err == nil {
			seen = seen.found(rows)
		}
	default:
		var c qfpay.Closing
		c, err = client.CloseBy(ctx, qfpay.Endpoint(s.event), o, nil)
		if err == nil {
			seen.Verdict, seen.Status, seen.RespCd, seen.Syssn = Done, 200, c.RespCd, c.Syssn
		}
	}
	if journal != nil {
		return seen, journal
	}
	if err != nil {
		seen = seen.failed(err)
	}
	seen.Signature, seen.Scheme = made.Signature, made.Scheme
	return seen, nil
}

func sentAt(s *step, seen Observation) time.Time {
	if s.order != nil {
		return s.order.sent
	}
	return seen.At
}

// order returns the order of a step: a new one, or that of the step, as it was sent.
func (r *run) order(t qfpay.PayType, s *step) qfpay.Order {
	o := qfpay.Order{PayType: t, ExpiredTime: expiredTime}
	if s.order != nil {
		sent := s.order.intent
		o.OutTradeNo, o.TxDtm, o.TxAmt, o.TxCurrCd = sent.Number, sent.TxDtm, sent.TxAmt, sent.Cur
		s.order.trial.apply(&o, sent.URL)
		return o
	}
	now := time.Now()
	o.OutTradeNo, o.TxDtm = fmt.Sprintf("PROBE%s%s", now.In(qfpay.Zone).Format("060102150405"), rand.Text()[:8]), qfpay.FormatDateTime(now)
	o.TxAmt, o.TxCurrCd = r.TxAmt, r.TxCurrCd
	s.trial.apply(&o, r.NotifyURL)
	return o
}
