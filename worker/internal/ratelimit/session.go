package ratelimit

import (
	"context"

	"github.com/qfpay-worker/qfpay-worker/qfpay"
	"github.com/qfpay-worker/qfpay-worker/tasks"
)

// Session is what one attempt has of its merchant's limits.
type Session struct {
	reservation *Reservation // that the order was dispatched with; nil: it was not
	called      bool         // a call had a permit: the next one is its continuation
	queue       *Queue       // that the order has to join; nil: there was no need
}

// NewSession begins with the reservation that the order was dispatched with, or nil.
func NewSession(r *Reservation) *Session { return &Session{reservation: r} }

// Queue is the wait queue that the order has to join for its next call, or nil.
func (s *Session) Queue() *Queue { return s.queue }

// Join notes that the order has to wait, although no call was refused.
func (s *Session) Join(q *Queue) { s.queue = q }

// Joined notes that a call was made for this attempt with the permit of another one: the next call
// is its continuation.
func (s *Session) Joined() { s.called = true }

// Reserved reports whether the attempt has a reservation that it can still use.
func (s *Session) Reserved(l *Limiter) bool { return s.reservation.usable(l) }

// Close gives up what the attempt had reserved and did not use.
func (s *Session) Close(ctx context.Context) {
	s.reservation.Cancel(ctx)
}

// Limiter returns the limiter of the attempt's calls of one class. lane is the order's.
func (s *Session) Limiter(l *Limiter, c Class, lane tasks.Lane) qfpay.Limiter {
	return &client{limiter: l, class: c, lane: lane, session: s}
}

// client acquires permits for the calls of one attempt and one class.
type client struct {
	limiter *Limiter
	class   Class
	lane    tasks.Lane
	session *Session
}

// Acquire implements [qfpay.Limiter]. The first call of a dispatched order uses the
// reservation that it was dispatched with.
func (c *client) Acquire(ctx context.Context) (qfpay.Permit, error) {
	r := c.session.reservation
	if !r.usable(c.limiter) {
		var err error
		if r, err = c.reserve(ctx); err != nil {
			return qfpay.Permit{}, err
		}
	}
	c.session.called = true
	return r.permit(ctx)
}

// reserve reserves a slot, or lets the order join the wait queue.
func (c *client) reserve(ctx context.Context) (*Reservation, error) {
	s := c.session
	continuation, instead := c.class == Doubt && s.called, ""
	if continuation {
		instead = s.reservation.next(c.limiter)
	}
	r, wait, err := c.limiter.Reserve(ctx, c.class, continuation, instead)
	if err != nil {
		return nil, err
	}
	if r == nil {
		s.queue = c.limiter.Queue(c.class, c.lane)
		return nil, &qfpay.Throttled{RetryAfter: wait}
	}
	return r, nil
}
