package breaker

import (
	"github.com/qfpay-worker/qfpay-worker/qfpay"
	"github.com/qfpay-worker/qfpay-worker/worker/internal/policy"
)

// String says what is held.
func (s Scope) String() string {
	switch {
	case s.Reason == "":
		return "QFPay refuses this order; it waits alone"
	case s.PayType != "":
		return "QFPay refuses this merchant's orders of one pay type; they wait, and one is tried now and then"
	default:
		return "QFPay refuses this merchant's orders; they wait, and one of each pay type is tried now and then"
	}
}

// Hint says what to check after a refusal for a reason. The key is to blame only when QFPay takes
// nothing of the merchant.
func (s Scope) Hint(reason string) string {
	switch {
	case s.Reason == "":
		return "other orders may be taken: compare this one's fields with theirs; it is tried until its deadline"
	case reason == "1104":
		return "ask QFPay whether this pay type is enabled for the merchant"
	case s.PayType != "":
		return "the credentials are good, since other pay types are taken: ask QFPay about this pay type of the merchant"
	case qfpay.RespCd(reason).RefusesSignature():
		return "compare the client key, the mchid and QFPAY_SIGN_TYPE (try MD5) with what QFPay issued for this base URL"
	case reason == policy.FaultAnswer:
		return "look at one of its orders with order show: the answers have no QR code, or are not QFPay's"
	case reason == policy.FaultHTTP:
		return "compare the base URL with the environment of these credentials"
	default:
		return "ask QFPay's support about this code: it concerns the merchant's store or account"
	}
}
