package notify

import (
	"sync/atomic"

	"github.com/qfpay-worker/qfpay-worker/qfpay"
)

// Merchants are those whose notifications are received now. They may be replaced at any time.
type Merchants struct {
	list atomic.Pointer[[]qfpay.Merchant]
}

// NewMerchants returns merchants.
func NewMerchants(list []qfpay.Merchant) *Merchants {
	m := &Merchants{}
	m.Set(list)
	return m
}

// Set replaces the merchants, for requests that come from now on.
func (m *Merchants) Set(list []qfpay.Merchant) { m.list.Store(&list) }

// named returns the merchant with a name, or one that no notification can be signed for: a stranger
// must not see which merchants there are, nor from how long the answer takes.
func (m *Merchants) named(name string) qfpay.Merchant {
	found := qfpay.Merchant{Key: nobodys}
	for _, one := range *m.list.Load() {
		if one.Name == name {
			found = one
		}
	}
	return found
}

// stores returns the merchants that a notification can be about which came to the address of one of
// them. QFPay has one address for each app_code, so an agent receives those of all his stores at one,
// and only the mchid tells them apart. The key that has verified the notification must be theirs too. A
// merchant without an mchid takes any: some notifications have one although none was issued.
func (m *Merchants) stores(at qfpay.Merchant, mchID string) (names []string) {
	if at.MchID == "" || mchID == "" || at.MchID == mchID {
		names = append(names, at.Name)
	}
	for _, one := range *m.list.Load() {
		if one.Name != at.Name && one.AppCode == at.AppCode && one.BaseURL == at.BaseURL &&
			one.KeyOfNotifications() == at.KeyOfNotifications() && one.MchID == mchID {
			names = append(names, one.Name)
		}
	}
	return names
}
