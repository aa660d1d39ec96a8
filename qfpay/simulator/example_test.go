package simulator_test

import (
	"crypto/md5"
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"github.com/qfpay-worker/qfpay-worker/qfpay/simulator"
)

// The answer is lost on its way back. The ledger shows what the caller cannot know: the order
// exists.
func Example() {
	gateway := simulator.New(simulator.Config{Faults: simulator.Faults{"payment.drop_after": 1}})
	client := &http.Client{Transport: gateway.Transport()}

	signed := "out_trade_no=A1&pay_type=802001&txamt=300&txcurrcd=HKD&txdtm=2026-03-10 12:00:00"
	body := url.Values{"out_trade_no": {"A1"}, "pay_type": {"802001"}, "txamt": {"300"}, "txcurrcd": {"HKD"}, "txdtm": {"2026-03-10 12:00:00"}}
	r, _ := http.NewRequest(http.MethodPost, "https://gateway/trade/v1/payment", strings.NewReader(body.Encode()))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.Header.Set("X-QF-APPCODE", simulator.SampleAppCode)
	r.Header.Set("X-QF-SIGN", fmt.Sprintf("%X", md5.Sum([]byte(signed+simulator.SampleKey))))
	_, err := client.Do(r)
	fmt.Println("the caller sees:", err)

	order := gateway.Orders()[0]
	fmt.Println("the ledger has: ", order.OutTradeNo, order.State, order.PayType)
	// Output:
	// the caller sees: Post "https://gateway/trade/v1/payment": EOF
	// the ledger has:  A1 created 802001
}
