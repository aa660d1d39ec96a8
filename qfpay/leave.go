package qfpay

import (
	"context"
	"errors"
	"time"
)

// lease is the leave a call holds, and how long it has waited for it.
type lease struct {
	endpoint endpoint
	limiter  Limiter // nil: no limit
	leave    Leave
	waited   time.Duration
	given    time.Time // when leave was given, the last time
}

// take waits for leave. Its error is *Throttled, or *NotSent when the limiter could
// not be asked or nobody waits any more: without leave nothing goes out.
func (l *lease) take(ctx context.Context) error {
	if err := context.Cause(ctx); err != nil {
		return &NotSent{Endpoint: string(l.endpoint), Err: err}
	}
	asked := time.Now()
	if l.limiter == nil {
		l.given = asked
		return nil
	}
	leave, err := l.limiter.Take(ctx)
	l.waited += time.Since(asked)
	if err == nil {
		l.leave, l.given = leave, time.Now()
		return nil
	}
	l.leave = Leave{}
	if throttled, ok := errors.AsType[*Throttled](err); ok {
		named := *throttled
		named.Endpoint = string(l.endpoint)
		return &named
	}
	return &NotSent{Endpoint: string(l.endpoint), Err: err}
}

// renew gives leave back that has lapsed and takes another. QFPay counts a call
// when it arrives: one that leaves late counts in a later window than the one it
// was granted in.
func (l *lease) renew(ctx context.Context) error {
	if l.leave.Until.IsZero() || time.Now().Before(l.leave.Until) {
		return nil
	}
	l.giveBack()
	return l.take(ctx)
}

// giveBack returns leave that was not used.
func (l *lease) giveBack() {
	if l.leave.GiveBack != nil {
		l.leave.GiveBack()
	}
	l.leave = Leave{}
}
