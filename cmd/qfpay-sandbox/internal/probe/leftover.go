package probe

import (
	"time"

	"github.com/qfpay-worker/qfpay-worker/qfpay"
)

// Leftover is an order that may still stand at QFPay.
type Leftover struct {
	Number  string
	PayType qfpay.PayType
	Paid    bool      // somebody has paid it, and it is to be refunded
	Expires time.Time // when its code runs out, as far as QFPay's documents say
}

// Leftovers returns the orders of the probe that may still stand.
func Leftovers(log []Observation, types []qfpay.PayType, now time.Time) (all []Leftover) {
	for _, p := range types {
		w := readWallet(log, p)
		for _, o := range w.orders {
			paid := o.standing() == qfpay.Paid.String()
			if paid || w.mayStand(o) && now.Before(o.expires()) {
				all = append(all, Leftover{Number: o.number, PayType: p, Paid: paid, Expires: o.expires()})
			}
		}
	}
	return all
}

// PayTypes returns the pay types of a journal, in the order in which they were first asked about.
func (j *Journal) PayTypes() (all []qfpay.PayType) {
	seen := map[qfpay.PayType]bool{}
	for _, o := range j.log {
		if o.PayType != "" && !seen[o.PayType] {
			seen[o.PayType] = true
			all = append(all, o.PayType)
		}
	}
	return all
}
