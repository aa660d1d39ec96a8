//go:build payments

package e2e

import (
	"flag"
	"fmt"
	"testing"
	"time"

	"github.com/qfpay-worker/qfpay-worker/qfpay"
)

var quotaFor = flag.Duration("payments.for", 10*time.Minute, "how long TestPaymentsQuota measures, after a minute")

// TestPaymentsQuota_EventsComeInTimeBesideABulkRun measures, while a bulk run would use all of the quota, how
// long after a payment its event comes, and how much of the quota is left to the bulk run.
func TestPaymentsQuota_EventsComeInTimeBesideABulkRun(t *testing.T) {
	const perMinute = 400
	r := startPayments(t, 2, perMinute, "--pay", "0.6", "--pay-after", "1s-60s", "--refund", "0.02")
	r.enqueue(int(quotaFor.Minutes()+3)*perMinute, func(i int) qfpay.Order {
		o := qfpay.Order{OutTradeNo: fmt.Sprint("Q", i), PayType: qfpay.AlipayHK, TxAmt: int64(100 + i), TxCurrCd: "HKD"}
		if i%2 == 0 {
			o.PayType = qfpay.PayMe // nobody knows how long its codes live
		}
		return o
	})
	time.Sleep(time.Minute)
	began := time.Now()
	time.Sleep(*quotaFor)
	ended := time.Now()
	open := r.open()
	a := r.audit()
	a.within = 2 * time.Minute

	creates, queries := 0, 0
	for _, c := range r.gateway.calls(t) {
		switch {
		case c.Time.Before(began) || c.Time.After(ended):
		case c.Endpoint == "payment":
			creates++
		case c.Endpoint == "query":
			queries++
		}
	}
	whole := perMinute * ended.Sub(began).Minutes()
	rest := float64(creates) / (whole - float64(queries))
	peak := r.gateway.peak(t, "60s")
	f := figuresOf(a)
	t.Logf("\nof the quota                       creates %.1f %%, queries %.1f %%, together %.1f %%; creates of what queries leave %.1f %%\n"+
		"most calls in any 60 s             %d of %d\nopen codes in the end              %d",
		100*float64(creates)/whole, 100*float64(queries)/whole, 100*float64(creates+queries)/whole, 100*rest, peak, perMinute, open)
	r.report(a, f)
	if rest < .9 || peak > perMinute {
		t.Errorf("the bulk run used %.3f of the rest, want at least 0.9; %d calls in 60 s, allowed are %d", rest, peak, perMinute)
	}
	if n, q := share(f.notified, .99), share(f.asked, .99); n > time.Second || q > time.Minute || len(f.notified) == 0 || len(f.asked) == 0 {
		t.Errorf("p99 %s with a notification, want 1s at most; %s without one, want 60s at most", n, q)
	}
}
