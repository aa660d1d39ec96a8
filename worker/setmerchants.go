package worker

import (
	"maps"
	"slices"
)

// SetMerchants replaces the merchants, all of them at once, before the worker runs or while it
// does. Use it for keys that change, and for merchants that come and go.
//
// Orders in flight are finished with the credentials that they were begun with. A merchant that
// is the same keeps everything. One with other credentials is no longer held, and its orders
// that waited for that go on within half a minute. Orders of a merchant that is gone are left to
// workers that have it; without one they wait, as those of any unknown merchant do.
//
// The error lists everything that is wrong with the merchants, in the words of [New]; the old
// merchants then stay in force.
func (w *Worker) SetMerchants(merchants []Merchant) error {
	if err := checkMerchants(merchants); err != nil {
		return err
	}
	w.changing.Lock()
	defer w.changing.Unlock()
	before := w.handler.merchants.Load()
	after := w.newMerchants(merchants, before)
	c := changesOf(before, after)
	// Before the new set is in force, so that events of the new breakers come last.
	for name, prev := range before.byName {
		if next := after.byName[name]; next == nil || next.breaker != prev.breaker {
			prev.breaker.retire()
		}
	}
	w.handler.merchants.Store(after)
	w.tell(c)
	return nil
}

// newMerchants makes a set of merchants. It takes over from the set before what is the same.
func (w *Worker) newMerchants(merchants []Merchant, before *merchantSet) *merchantSet {
	byName := make(map[string]*merchantState, len(merchants))
	for _, m := range merchants {
		next := newMerchantState(m, w.merchantConfig, w.config.HTTP, w.handler.times.Call)
		if prev := before.byName[m.Name]; prev != nil {
			next = prev.replace(next)
		}
		byName[m.Name] = next
	}
	return newMerchantSet(byName, w.config.Concurrency)
}

// replace returns the state that takes the place of m: next, or m itself when nothing has
// changed. Orders in flight under both are counted together.
func (m *merchantState) replace(next *merchantState) *merchantState {
	if m.merchant() == next.merchant() {
		return m
	}
	next.inFlight = m.inFlight
	if m.client.Merchant == next.client.Merchant {
		next.breaker = m.breaker
		next.client.HasSigned = m.client.HasSigned
	}
	if m.limits == next.limits && m.client.Merchant.AppCode == next.client.Merchant.AppCode {
		next.limiter = m.limiter
	}
	return next
}

// changes are the names of merchants that have changed, sorted.
type changes struct {
	added, removed, changed []string
	credentials             []string // of those changed: other credentials
	accounts                []string // of these: another account
}

func changesOf(before, after *merchantSet) changes {
	var c changes
	for _, name := range slices.Sorted(maps.Keys(after.byName)) {
		prev, next := before.byName[name], after.byName[name]
		switch {
		case prev == nil:
			c.added = append(c.added, name)
			continue
		case prev == next:
			continue
		}
		c.changed = append(c.changed, name)
		if prev.client.Merchant != next.client.Merchant {
			c.credentials = append(c.credentials, name)
		}
		if prev.merchant().account() != next.merchant().account() {
			c.accounts = append(c.accounts, name)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(before.byName)) {
		if after.byName[name] == nil {
			c.removed = append(c.removed, name)
		}
	}
	return c
}

// tell logs what has changed, by the names.
func (w *Worker) tell(c changes) {
	log := w.config.Logger
	if len(c.added)+len(c.removed)+len(c.changed) == 0 {
		log.Info("no merchant has changed")
		return
	}
	log.Info("the merchants have changed; orders in flight are finished with the credentials of before",
		"added", c.added, "removed", c.removed, "changed", c.changed)
	if len(c.accounts) > 0 {
		log.Warn("merchants have another account at QFPay; orders in doubt would be looked up in the wrong account",
			"merchants", c.accounts, "hint", "change base_url, app_code and mchid only when no order of the merchant waits")
	}
}
