package ratelimit

import (
	"context"
	"crypto/rand"
	"fmt"
	"time"

	"github.com/qfpay-worker/qfpay-worker/tasks"
	"github.com/qfpay-worker/qfpay-worker/worker/internal/timing"
)

// Class is how urgent a call is. A more urgent one goes first.
type Class uint8

// The classes, the most urgent one first.
const (
	Doubt       Class = iota // queries and closes: it is not known what became of the order
	Interactive              // creates for a customer who waits
	Bulk                     // all other creates
	Follow                   // queries about published codes: a tenth of the limits, whatever waits
)

// ClassOf is the class of a create.
func ClassOf(l tasks.Lane) Class {
	if l == tasks.Interactive {
		return Interactive
	}
	return Bulk
}

// maxWait is how far ahead a slot is reserved, and waited for.
func (c Class) maxWait() time.Duration {
	if c == Bulk {
		return timing.DispatchAhead
	}
	return timing.MaxWait
}

// Queue is a wait queue: orders of an app_code and a class that wait for a slot, in the order
// of their acceptance. They are not touched until they are dispatched. Orders in doubt have a
// queue for each lane, since an order is dispatched only where its lane has room.
type Queue struct {
	Key     string // a sorted set: order → ms at which it was accepted
	AppCode string // the member of [tasks.Keys.Waiting]
	WakeNow bool   // look at the queue at once: not for bulk, whose orders can wait for a slot
}

// queues is how many wait queues an app_code has, in the sequence of dispatch.lua.
const queues = 4

// Queue returns the wait queue of the orders of a lane that wait for a call of this class.
func (l *Limiter) Queue(c Class, lane tasks.Lane) *Queue {
	n := 1 + int(c)
	if c == Doubt && lane == tasks.Interactive {
		n = 0
	}
	return &Queue{Key: l.keys[3+n], AppCode: l.Limits.AppCode, WakeNow: c != Bulk}
}

// QueueLength is the time that a wait queue takes, if all of it goes at the full rate.
func (l *Limiter) QueueLength(ctx context.Context, q *Queue) (time.Duration, error) {
	n, err := l.Redis.ZCard(ctx, q.Key).Result()
	if err != nil {
		return 0, fmt.Errorf("limiter: length of the wait queue: %w", err)
	}
	return time.Duration(n) * l.each, nil
}

// Dispatched is an order whose turn has come, with the reservation for its first call. One in doubt
// may have none: it joins the query of another.
type Dispatched struct {
	ID          string
	Lane        tasks.Lane
	Reservation *Reservation
}

// Dispatch takes at most n orders off the wait queues, each with a reservation, and of each lane
// no more than there is room for.
func (l *Limiter) Dispatch(ctx context.Context, n int, room map[tasks.Lane]int) ([]Dispatched, error) {
	asked := time.Now()
	answer, err := dispatchScript.Run(ctx, l.Redis, l.dispatch, l.with(l.Limits.AppCode, n, room[tasks.Interactive], room[tasks.Bulk], rand.Text(),
		timing.DispatchAhead.Microseconds(), timing.BulkReserveAhead.Microseconds(), timing.DispatchInterval.Microseconds(),
		timing.ClaimWithin.Milliseconds(), callsInDoubt, joinQuery)...).Slice()
	if err != nil {
		return nil, fmt.Errorf("limiter: dispatch: %w", err)
	}
	all := make([]Dispatched, 0, len(answer))
	for _, row := range answer {
		d, ok := l.dispatched(row, asked)
		if !ok {
			return nil, fmt.Errorf("limiter: dispatch: unexpected answer %v", row)
		}
		all = append(all, d)
	}
	return all, nil
}

// dispatched reads one order of dispatch.lua's answer: id, name, wait, further slots, lane.
func (l *Limiter) dispatched(row any, asked time.Time) (Dispatched, bool) {
	fields, _ := row.([]any)
	if len(fields) != 5 {
		return Dispatched{}, false
	}
	_, n, ok := parse(fields[1:])
	if !ok {
		return Dispatched{}, false
	}
	d := Dispatched{ID: fmt.Sprint(fields[0]), Lane: tasks.Interactive}
	if n[2] == 1 {
		d.Lane = tasks.Bulk
	}
	if fields[1] != "" {
		d.Reservation = newReservation(l, fmt.Sprint(fields[1]), asked, microseconds(n[0]))
		d.Reservation.reserveFurther(n[1])
	}
	return d, true
}
