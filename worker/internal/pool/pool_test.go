package pool

import (
	"errors"
	"testing"
	"testing/synctest"

	"github.com/qfpay-worker/qfpay-worker/tasks"
)

func TestPool_KeepsLanesApart(t *testing.T) {
	t.Parallel()
	p := New(2, nil)
	for range 2 {
		if err := p.Enter(tasks.Bulk); err != nil {
			t.Fatal(err)
		}
	}
	room := map[tasks.Lane]int{tasks.Interactive: 0, tasks.Bulk: 0}
	p.Take(room)
	if room[tasks.Interactive] != 2 || room[tasks.Bulk] != 0 {
		t.Errorf("took %v, want the two slots of the other lane", room)
	}
	p.GiveBack(room)
	if p.Take(room); room[tasks.Interactive] != 4 {
		t.Errorf("took %v after all was given back, want two more", room)
	}
}

// Whoever waits longest gets the next slot, though others ask again and again.
func TestPool_GivesSlotsInTurn(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p := New(1, nil)
		p.Enter(tasks.Bulk)
		in := make(chan int, 3)
		for i := range 3 {
			go func() { p.Enter(tasks.Bulk); in <- i }()
			synctest.Wait()
		}
		for i := range 3 {
			p.Leave(tasks.Bulk)
			synctest.Wait()
			room := map[tasks.Lane]int{tasks.Bulk: 0}
			if p.Take(room); room[tasks.Bulk] != 0 {
				t.Error("a slot is free although somebody waits")
			}
			if got := <-in; got != i {
				t.Errorf("%d got a slot before %d", got, i)
			}
		}
	})
}

func TestPool_LetsNobodyInWhenTheWorkerHasStopped(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		stop := make(chan struct{})
		p := New(1, stop)
		p.Enter(tasks.Bulk)
		refused := make(chan error, 2)
		go func() { refused <- p.Enter(tasks.Bulk) }()
		synctest.Wait()
		close(stop)
		closed := make(chan bool, 1)
		go func() { closed <- p.Close(nil) }()
		synctest.Wait()
		if err := <-refused; !errors.Is(err, ErrStopping) || len(closed) != 0 {
			t.Errorf("an order that waits: %v; closed while one is in flight: %t", err, len(closed) != 0)
		}
		p.Leave(tasks.Bulk)
		if !<-closed || !errors.Is(p.Enter(tasks.Bulk), ErrStopping) {
			t.Error("an order came in after the last one had ended")
		}
	})
}
