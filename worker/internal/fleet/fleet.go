// Package fleet keeps each process aware of what concerns all of them: which merchants the running
// workers have, what a person has paused, and whether Redis's clock went back.
//
// It never starts, ends or defers an order: it says what is so, and logs it. Start reading at
// [Fleet.Watch].
package fleet

import (
	"context"
	"maps"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/qfpay-worker/qfpay-worker/tasks"
	"github.com/qfpay-worker/qfpay-worker/worker/internal/journal"
	"github.com/qfpay-worker/qfpay-worker/worker/internal/timing"
)

// Fleet is what this process knows of the merchants of all running workers, and of those that a person
// has paused. Each process tells its own;
// an order of a merchant that only others have is left to them.
type Fleet struct {
	journal *journal.Journal
	own     func() map[string]journal.Quota // the merchants of this process; it is not changed

	latest atomic.Pointer[exchange]

	exchanging sync.Mutex
	told       []string        // our merchants, as they were told last
	unknown    map[string]bool // merchants that no worker had; to be told
}

// exchange is what was learnt by one exchange.
type exchange struct {
	at      time.Time
	running map[string]bool // merchants that running workers had
	paused  map[string]bool // merchant or merchant:pay_type, by hand
}

// New returns the fleet as a process knows it that has learnt nothing yet. own returns the merchants of
// the process.
func New(j *journal.Journal, own func() map[string]journal.Quota) *Fleet {
	f := &Fleet{journal: j, own: own, unknown: map[string]bool{}}
	f.latest.Store(&exchange{})
	return f
}

// Exchange tells the merchants of this process and learns those of all and what is paused, unless that was done not
// longer ago than age.
func (f *Fleet) Exchange(ctx context.Context, age time.Duration) error {
	f.exchanging.Lock()
	defer f.exchanging.Unlock()
	if time.Since(f.latest.Load().at) < age {
		return nil
	}
	has := f.own()
	gone := slices.DeleteFunc(slices.Clone(f.told), func(name string) bool { _, is := has[name]; return is })
	running, paused, err := f.journal.TellMerchants(ctx, has, gone, slices.Sorted(maps.Keys(f.unknown)))
	if err != nil {
		return err
	}
	learnt := exchange{time.Now(), setOf(running), setOf(paused)}
	f.latest.Store(&learnt)
	f.told = slices.Collect(maps.Keys(has))
	clear(f.unknown)
	return nil
}

func setOf(names []string) map[string]bool {
	set := make(map[string]bool, len(names))
	for _, name := range names {
		set[name] = true
	}
	return set
}

// IsPaused reports whether a person has paused an order's merchant, or its pay type there. It asks
// again before it says so, since the orders that wait for the end of a pause come all at once.
func (f *Fleet) IsPaused(ctx context.Context, o tasks.Order) bool {
	paused := func() bool {
		l := f.latest.Load()
		return len(l.paused) > 0 && (l.paused[o.Merchant] || l.paused[o.Merchant+":"+string(o.PayType)])
	}
	if !paused() {
		return false
	}
	f.Exchange(ctx, timing.RoundEvery) // should it fail, what was learnt before counts
	return paused()
}

// running are the merchants that running workers have: none when nothing was learnt for so long that
// they may all have ended.
func (f *Fleet) running() map[string]bool {
	if l := f.latest.Load(); time.Since(l.at) < timing.MerchantTold {
		return l.running
	}
	return nil
}

// Others are the merchants that other running workers have and this one does not.
func (f *Fleet) Others() (names []string) {
	own := f.own()
	for name := range f.running() {
		if _, is := own[name]; !is {
			names = append(names, name)
		}
	}
	return names
}

// Has reports whether a running worker has a merchant that this one does not have.
func (f *Fleet) Has(ctx context.Context, merchant string) (bool, error) {
	if f.running()[merchant] {
		return true, nil
	}
	if err := f.Exchange(ctx, timing.RoundEvery); err != nil {
		return false, err
	}
	if f.running()[merchant] {
		return true, nil
	}
	f.exchanging.Lock()
	defer f.exchanging.Unlock()
	f.unknown[merchant] = true
	return false, nil
}
