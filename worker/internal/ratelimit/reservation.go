package ratelimit

import (
	"context"
	"fmt"
	"time"

	"github.com/qfpay-worker/qfpay-worker/internal/redispipe"
	"github.com/qfpay-worker/qfpay-worker/qfpay"
	"github.com/qfpay-worker/qfpay-worker/worker/internal/timing"
	"github.com/qfpay-worker/qfpay-worker/worker/internal/wait"
)

// Reservation is a slot for one call. Redis's clock read the slot's time between the question
// and the answer, so NotBefore is never too early and ExpiresAt never too late.
type Reservation struct {
	NotBefore time.Time
	ExpiresAt time.Time

	limiter *Limiter
	name    string
	used    bool
	further []string // slots that were reserved for the calls that follow
}

// newReservation returns the reservation of a slot that was so far off on Redis's clock.
func newReservation(l *Limiter, name string, asked time.Time, off time.Duration) *Reservation {
	return &Reservation{limiter: l, name: name, NotBefore: time.Now().Add(off), ExpiresAt: asked.Add(off + timing.ReservationTTL)}
}

// Cancel gives up what was not used: the slot, and those of the calls that were to follow.
// It does so also when ctx has ended.
func (r *Reservation) Cancel(ctx context.Context) {
	if r == nil {
		return
	}
	names := r.further
	if !r.used {
		names = append(names, r.name)
	}
	r.used, r.further = true, nil
	r.limiter.cancel(ctx, names...)
}

// cancel gives up slots by name.
func (l *Limiter) cancel(ctx context.Context, names ...string) {
	if len(names) == 0 {
		return
	}
	ctx, end := context.WithTimeout(context.WithoutCancel(ctx), timing.CancelTimeout)
	defer end()
	pipe := l.Redis.Pipeline()
	pipe.ZRem(ctx, l.keys[0], names)
	pipe.ZRem(ctx, l.keys[1], names)
	if err := redispipe.Exec(ctx, pipe); err != nil && l.OnError != nil {
		l.OnError("release_reservation") // they run out by themselves
	}
}

// permit waits for the slot, and returns the permit for its call.
func (r *Reservation) permit(ctx context.Context) (qfpay.Permit, error) {
	r.used = true
	release := func() { r.limiter.cancel(ctx, r.name) }
	if err := wait.Sleep(ctx, time.Until(r.NotBefore)); err != nil {
		release()
		return qfpay.Permit{}, err
	}
	return qfpay.Permit{ExpiresAt: r.ExpiresAt, Release: release}, nil
}

// usable reports whether the reservation can still be used for a call of this limiter: the
// merchant may have another app_code since.
func (r *Reservation) usable(l *Limiter) bool {
	return r != nil && !r.used && r.sameAppCode(l) && time.Now().Before(r.ExpiresAt)
}

func (r *Reservation) sameAppCode(l *Limiter) bool {
	return r.limiter.Limits.AppCode == l.Limits.AppCode
}

// next returns the name of a slot that was reserved for a call that follows, or "".
func (r *Reservation) next(l *Limiter) (name string) {
	if r == nil || len(r.further) == 0 || !r.sameAppCode(l) {
		return ""
	}
	name, r.further = r.further[0], r.further[1:]
	return name
}

// reserveFurther notes n slots more, as dispatch.lua names them.
func (r *Reservation) reserveFurther(n int64) {
	for i := range n {
		r.further = append(r.further, fmt.Sprintf("%s:%d", r.name, i+1))
	}
}
