// Package pool has the room of a process for orders: so many slots for each lane, which asynq's
// handler and the dispatcher share. It knows nothing of orders, and decides nothing but who is next.
//
// Start reading at [Pool].
package pool

import (
	"errors"

	"github.com/qfpay-worker/qfpay-worker/tasks"
)

// Pool has a slot for each order of a lane that a process may have in flight.
type Pool struct {
	slots map[tasks.Lane]chan struct{} // has an element for each slot that is taken
	stop  <-chan struct{}
}

// ErrStopping says that the worker stops and has no room for an order.
var ErrStopping = errors.New("the worker stops")

// mostAtOnce bounds how many free slots Take takes in all: the orders for them come from one run
// of a script, and Redis has other work.
const mostAtOnce = 100

// New returns a pool with this many slots for each lane. stop is closed when the worker takes no
// more orders.
func New(size int, stop <-chan struct{}) Pool {
	p := Pool{slots: map[tasks.Lane]chan struct{}{}, stop: stop}
	for _, lane := range tasks.Lanes() {
		p.slots[lane] = make(chan struct{}, size)
	}
	return p
}

// Enter takes a slot of a lane, once one is free: who has waited longest gets the next one. When
// the worker stops, it waits no longer, and returns ErrStopping.
func (p Pool) Enter(lane tasks.Lane) error {
	if p.tryEnter(lane) {
		return nil
	}
	select {
	case p.slots[lane] <- struct{}{}:
		return nil
	case <-p.stop:
		return ErrStopping
	}
}

func (p Pool) tryEnter(lane tasks.Lane) bool {
	select {
	case p.slots[lane] <- struct{}{}:
		return true
	default:
		return false
	}
}

// Leave frees a slot.
func (p Pool) Leave(lane tasks.Lane) { <-p.slots[lane] }

// Take takes the slots that are free in the lanes of room, and adds them to it.
func (p Pool) Take(room map[tasks.Lane]int) {
	for lane := range room {
		for room[lane] < mostAtOnce && p.tryEnter(lane) {
			room[lane]++
		}
	}
}

// GiveBack frees the slots of room.
func (p Pool) GiveBack(room map[tasks.Lane]int) {
	for lane, n := range room {
		for range n {
			p.Leave(lane)
		}
	}
}

// Close waits until no slot is taken, and takes all of them for good. It gives up and returns
// false when giveUp is closed.
func (p Pool) Close(giveUp <-chan struct{}) bool {
	for _, slots := range p.slots {
		for range cap(slots) {
			select {
			case slots <- struct{}{}:
			case <-giveUp:
				return false
			}
		}
	}
	return true
}
