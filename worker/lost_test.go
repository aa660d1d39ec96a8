package worker

import (
	"testing"

	"github.com/qfpay-worker/qfpay-worker/qfpay"
	"github.com/qfpay-worker/qfpay-worker/worker/internal/journal"
)

func TestReissue_AddsASuffixToTheOrdersOwnNumber(t *testing.T) {
	t.Parallel()
	for reissues, want := range []string{"A1", "A1_2", "A1_3"} {
		if got := journal.IssuedAs("A1", reissues); got != want {
			t.Errorf("number %d is %q, want %q", reissues, got, want)
		}
	}
}

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
		{Auto, "800101", true, 0, true, true},
		{Auto, "801501", true, 1, true, true},
		{Auto, "800201", true, 2, true, false},     // two reissues are enough
		{Auto, "805801", true, 0, false, false},    // no documented way to close it
		{Reissue, "805801", true, 0, false, true},  // asked for: once its QR code has run out
		{LeaveIt, "800101", true, 0, false, false}, // asked for
		{Auto, "800101", false, 0, false, false},   // a closed number might come to life again
		{Reissue, "800101", false, 0, false, false},
	} {
		if got := c.mode.mayClose(c.payType, c.unique); got != c.close {
			t.Errorf("%+v: may close %t", c, got)
		}
		if got := c.mode.mayReissue(c.payType, c.unique, c.reissues); got != c.reissue {
			t.Errorf("%+v: may reissue %t", c, got)
		}
	}
}
