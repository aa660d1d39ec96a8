package worker

import (
	"errors"
)

// pool has a slot for each order that a process may have in flight.
type pool struct {
	slots  chan struct{}
	closed chan struct{}
}

// errStopping says that an order came after the worker had finished its last one.
var errStopping = errors.New("the worker stops")

func newPool(size int) pool {
	return pool{slots: make(chan struct{}, size), closed: make(chan struct{})}
}

// enter takes a slot, once one is free, or returns errStopping.
func (p pool) enter() error {
	select {
	case p.slots <- struct{}{}:
		return nil
	case <-p.closed:
		return errStopping
	}
}

func (p pool) leave() { <-p.slots }

// close waits until no order is in flight, and lets no order in from then on. It gives up and
// returns false when stop is closed.
func (p pool) close(stop <-chan struct{}) bool {
	for range cap(p.slots) {
		select {
		case p.slots <- struct{}{}:
		case <-stop:
			return false
		}
	}
	close(p.closed)
	return true
}
