package policy

import (
	"testing"

	"github.com/qfpay-worker/qfpay-worker/qfpay"
)

// Whether a lost QR code may be replaced is a matter of the setting, of the pay
// type, and of trust in unique numbers.
func TestReissue_DependsOnSettingPayTypeAndTrust(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		mode           LostResponse
		payType        qfpay.PayType
		unique         bool
		reissues       int
		close, reissue bool
	}{
		{LostAuto, "800101", true, 0, true, true},
		{LostAuto, "801501", true, 1, true, true},
		{LostAuto, "800201", true, 2, true, false},        // two reissues are enough
		{LostAuto, "805801", true, 0, false, false},       // no documented way to close it
		{LostReissue, "805801", true, 0, false, true},     // asked for: once its QR code has run out
		{LostUnresolved, "800101", true, 0, false, false}, // asked for
		{LostAuto, "800101", false, 0, false, false},      // a closed number might come to life again
		{LostReissue, "800101", false, 0, false, false},
	} {
		if got := c.mode.MayClose(c.payType, c.unique); got != c.close {
			t.Errorf("%+v: may close %t", c, got)
		}
		if got := c.mode.MayReissue(c.payType, c.unique, c.reissues); got != c.reissue {
			t.Errorf("%+v: may reissue %t", c, got)
		}
	}
}
