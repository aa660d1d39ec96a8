package attempt

import (
	"testing"
	"time"

	"github.com/qfpay-worker/qfpay-worker/qfpay"
)

func TestResult_SaysWhenTheQRCodeExpires(t *testing.T) {
	t.Parallel()
	sent := time.Date(2026, 3, 1, 4, 0, 0, 0, time.UTC)
	now := sent.Add(10 * time.Minute)
	const halfAnHour = 30 * time.Minute
	for _, c := range []struct {
		name   string
		life   time.Duration
		sysDtm string
		want   string
	}{
		{"from QFPay's time", halfAnHour, "2026-03-01 12:09:58", "2026-03-01T04:39:58.000Z"},
		{"a clock that is ahead", halfAnHour, "2026-03-01 12:10:30", "2026-03-01T04:40:00.000Z"},
		{"no time", halfAnHour, "", "2026-03-01T04:30:00.000Z"},
		{"a time in another zone", halfAnHour, "2026-03-01 04:09:58", "2026-03-01T04:30:00.000Z"},
		{"a life of its own", 5 * time.Minute, "2026-03-01 12:09:58", "2026-03-01T04:14:58.000Z"},
		{"an unknown life", 0, "2026-03-01 12:09:58", ""},
	} {
		if got := qrExpires(c.life, c.sysDtm, sent, now); got != c.want {
			t.Errorf("%s: %s, want %s", c.name, got, c.want)
		}
	}
}

// The MPM page names a life for the wallets that take expired_time only.
func TestOrder_LifeOfACodeIsKnownForThreePayTypes(t *testing.T) {
	t.Parallel()
	for _, payType := range qfpay.PayTypes() {
		known := payType == qfpay.AlipayOverseas || payType == qfpay.AlipayHK || payType == qfpay.WeChat
		for minutes, want := range map[int]time.Duration{0: 30 * time.Minute, 5: 5 * time.Minute} {
			if !known {
				want = 0
			}
			if got := (qfpay.Order{PayType: payType, ExpiredTime: minutes}).Life(); got != want {
				t.Errorf("%s with expired_time %d: %v, want %v", payType, minutes, got, want)
			}
		}
	}
}
