package merchants

import (
	"net/http"
	"testing"
	"time"

	"github.com/qfpay-worker/qfpay-worker/qfpay"
	"github.com/qfpay-worker/qfpay-worker/tasks"
)

func TestMerchants_KeepAllThatAChangeDoesNotTouch(t *testing.T) {
	t.Parallel()
	server := "http://gateway"
	base := Merchant{Merchant: qfpay.Merchant{Name: "a", BaseURL: server, AppCode: "A", Key: "k"}, PerSecond: 5}
	config := Config{HTTP: http.DefaultClient, CallTimeout: time.Second}
	for name, tt := range map[string]struct {
		change              func(*Merchant)
		all, hold, theLimit bool
	}{
		"nothing":    {func(*Merchant) {}, true, true, true},
		"the key":    {func(m *Merchant) { m.Key = "l" }, false, false, true},
		"the mchid":  {func(m *Merchant) { m.MchID = "1" }, false, false, true},
		"the code":   {func(m *Merchant) { m.AppCode = "B" }, false, false, false},
		"the limits": {func(m *Merchant) { m.PerMinute = 9 }, false, true, false},
	} {
		was := newState(base, config)
		m := base
		tt.change(&m)
		is := was.replace(newState(m, config))
		if is.merchant() != m || is.InFlight[tasks.Bulk] != was.InFlight[tasks.Bulk] {
			t.Errorf("%s: it is another merchant, or what is in flight is forgotten", name)
		}
		if (is == was) != tt.all || (is.Breaker == was.Breaker) != tt.hold || (is.Limiter == was.Limiter) != tt.theLimit {
			t.Errorf("%s: kept: state %t, breaker %t, limiter %t", name, is == was, is.Breaker == was.Breaker, is.Limiter == was.Limiter)
		}
	}
}
