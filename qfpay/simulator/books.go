package simulator

import (
	"fmt"
	"math/rand/v2"
	"time"
)

// books are what the gateway knows to be true: its orders, and the notifications about them.
// Their methods carry requests out. A fault of a call changes the answer, never the books,
// except where its text says how the order is stored. The Gateway's mutex guards them.
type books struct {
	config    Config
	accounts  map[string]Account
	ledger    ledger
	serial    int // of the last syssn
	mail      mailbox
	notices   *rand.Rand // of notifications; separate, so that a payment does not change the faults of calls
	customers *rand.Rand // of customers; separate too
	visits    []visit    // what customers will do, by time
	faults    Faults     // those of notifications count here
}

func newBooks(c Config) books {
	b := books{config: c, accounts: map[string]Account{}, ledger: newLedger(), mail: newMailbox(),
		notices: rand.New(rand.NewPCG(c.Seed, 2)), customers: rand.New(rand.NewPCG(c.Seed, 3)), faults: c.Faults}
	for _, a := range c.Merchants {
		b.accounts[a.AppCode] = a
	}
	return b
}

// newSyssn returns the next syssn: 26 digits that begin with the date in UTC+8.
func (b *books) newSyssn(now time.Time) string {
	b.serial++
	return fmt.Sprintf("%s000200%012d", now.In(beijing).Format("20060102"), b.serial)
}

// visit is something that a customer will do.
type visit struct {
	due time.Time
	do  func(now time.Time)
}
