package merchants

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"sync/atomic"
)

// Merchants are the merchants of a worker, which may change while it runs.
type Merchants struct {
	config   Config
	latest   atomic.Pointer[Set]
	changing sync.Mutex
}

// New returns the merchants that a worker begins with.
func New(c Config, all []Merchant) *Merchants {
	m := &Merchants{config: c}
	m.latest.Store(m.setOf(all, &Set{}))
	return m
}

// Load returns the merchants of now.
func (m *Merchants) Load() *Set { return m.latest.Load() }

// Change replaces the merchants, all at once, unless something is wrong with them. What is the same
// before and after is kept.
func (m *Merchants) Change(all []Merchant) error {
	if err := Check(all); err != nil {
		return err
	}
	m.changing.Lock()
	defer m.changing.Unlock()
	before := m.Load()
	after := m.setOf(all, before)
	// Before the new set is in force, so that events of the new breakers come last.
	for name, prev := range before.ByName {
		if next := after.ByName[name]; next == nil || next.Breaker != prev.Breaker {
			prev.Breaker.Retire()
		}
	}
	m.latest.Store(after)
	m.tell(changesOf(before, after))
	return nil
}

// Check returns an error for every merchant that cannot be used.
func Check(merchants []Merchant) error {
	var bad error
	require := func(ok bool, format string, args ...any) {
		if !ok {
			bad = errors.Join(bad, fmt.Errorf("worker: "+format, args...))
		}
	}
	require(len(merchants) > 0, "Merchants is empty")
	seen := map[string]bool{}
	accounts := map[[3]string]string{}
	for _, m := range merchants {
		account := m.account()
		// Their order numbers would be one namespace at QFPay and two here.
		require(accounts[account] == "", "merchants %q and %q are one account at QFPay (base URL, app_code, mchid)", accounts[account], m.Name)
		accounts[account] = m.Name
		require(m.Name != "", "a merchant has no Name")
		require(!seen[m.Name], "merchant %q is there twice", m.Name)
		seen[m.Name] = true
	}
	return bad
}

// setOf makes a set of merchants. It takes over from the set before what is the same.
func (m *Merchants) setOf(all []Merchant, before *Set) *Set {
	byName := make(map[string]*State, len(all))
	for _, one := range all {
		next := newState(one, m.config)
		if prev := before.ByName[one.Name]; prev != nil {
			next = prev.replace(next)
		}
		byName[one.Name] = next
	}
	return newSet(byName, m.config.Concurrency)
}

// tell logs what has changed, by the names.
func (m *Merchants) tell(c changes) {
	log := m.config.Logger
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

// changes are the names of merchants that have changed, sorted.
type changes struct {
	added, removed, changed []string
	accounts                []string // of those changed: another account
}

func changesOf(before, after *Set) changes {
	var c changes
	for _, name := range slices.Sorted(maps.Keys(after.ByName)) {
		prev, next := before.ByName[name], after.ByName[name]
		switch {
		case prev == nil:
			c.added = append(c.added, name)
			continue
		case prev == next:
			continue
		}
		c.changed = append(c.changed, name)
		if prev.merchant().account() != next.merchant().account() {
			c.accounts = append(c.accounts, name)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(before.ByName)) {
		if after.ByName[name] == nil {
			c.removed = append(c.removed, name)
		}
	}
	return c
}
