//go:build payments

package e2e

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/qfpay-worker/qfpay-worker/internal/redistest"
	"github.com/qfpay-worker/qfpay-worker/qfpay"
)

// The codes of a run are created at the gateway's limit, and the last of them live for five minutes more.
var (
	paymentCodes  = flag.Int("payments.codes", 1000, "codes of TestPaymentsChaos")
	paymentMinute = flag.Int("payments.minute", 400, "calls a minute that the gateway allows in TestPaymentsChaos")
)

// codeLife is how long each code lives: the shortest that QFPay lets a producer choose.
const codeLife = 5 * time.Minute

// TestPaymentsChaos_EveryCodeHasOneTrueEvent publishes codes, of which customers pay 60 %, and of the others
// some in the last seconds of their life; some pay twice, too late, or want their money back. A fifth of the notifications
// is lost, a tenth comes twice or late, some are forged, and workers are killed all the time. In the end
// each code has one final event, and all that was published is what the simulator's books say.
func TestPaymentsChaos_EveryCodeHasOneTrueEvent(t *testing.T) {
	const workers = 3
	r := startPayments(t, workers, *paymentMinute, "--pay", "0.6", "--pay-after", "1s-299s", "--pay-again", "0.01", "--pay-late", "0.02", "--refund", "0.05")
	amount := func(i int) int64 { return int64(100 + i) }
	number := func(i int) string { return fmt.Sprint("P", i) }
	r.enqueue(*paymentCodes, func(i int) qfpay.Order {
		return qfpay.Order{OutTradeNo: number(i), PayType: qfpay.AlipayHK, TxAmt: amount(i), TxCurrCd: "HKD", ExpiredTime: int(codeLife.Minutes())}
	})
	kills, luck := 0, rand.New(rand.NewPCG(1, 3))
	attack := time.NewTicker(3 * time.Second)
	defer attack.Stop()
	for end := time.Now().Add(50 * time.Minute); !r.over(*paymentCodes); {
		if time.Now().After(end) {
			t.Fatalf("%d codes are open", r.open())
		}
		<-attack.C
		r.kill(luck.IntN(workers))
		kills++
		r.payInTheLastSeconds()
		forged := luck.IntN(*paymentCodes)
		r.front.forge(t, number(forged), amount(forged))
	}
	r.front.shut()
	eventually(t, "what notifications have said of second payments is asked about", time.Minute, func() bool { return r.open() == 0 })
	a := r.audit()
	a.ended = true
	t.Logf("%d SIGKILLs", kills)
	r.report(a, figuresOf(a))
}

// payInTheLastSeconds pays every fifth of the open codes that end before the next attack. What a query has shown
// of them before is out of date.
func (r *paymentRun) payInTheLastSeconds() {
	born := time.Now().Add(-codeLife)
	between := redis.ZRangeArgs{Key: keys.Open("default"), ByScore: true,
		Start: born.Add(500 * time.Millisecond).UnixMilli(), Stop: born.Add(3500 * time.Millisecond).UnixMilli()}
	for i, id := range r.rdb.ZRangeArgs(r.t.Context(), between).Val() {
		if i%5 > 0 {
			continue
		}
		answer, err := web.PostForm(r.gateway.url+"/_simulator/pay", url.Values{"out_trade_no": {strings.TrimPrefix(id, "default:")}})
		redistest.OK(r.t, err)
		answer.Body.Close() // refused, if it has run out since
	}
}

// over reports whether all orders have their results, and no code is followed any more.
func (r *paymentRun) over(codes int) bool {
	return r.rdb.XLen(r.t.Context(), keys.Results()).Val() >= int64(codes) && r.open() == 0
}
