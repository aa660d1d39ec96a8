package probe

import (
	"net/http"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/qfpay-worker/qfpay-worker/qfpay"
	"github.com/qfpay-worker/qfpay-worker/qfpay/simulator"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// noFile is a file that keeps nothing.
type noFile struct{}

func (noFile) Write(p []byte) (int, error) { return len(p), nil }
func (noFile) Sync() error                 { return nil }
func (noFile) Close() error                { return nil }

// proberOf returns a prober of a simulated gateway, with a journal in memory.
func proberOf(g *simulator.Gateway, types ...qfpay.PayType) *Prober {
	return &Prober{
		Client: qfpay.Client{
			Merchant: qfpay.Merchant{Name: "probe", BaseURL: "https://gateway.invalid", AppCode: simulator.SampleAppCode, Key: simulator.SampleKey},
			HTTP:     &http.Client{Transport: g.Transport()},
			Timeout:  5 * time.Second,
		},
		PayTypes: types, TxAmt: 210, TxCurrCd: "HKD", NotifyURL: "https://shop.example/notify",
		Gap: 500 * time.Millisecond, Patience: 30 * time.Second, Journal: &Journal{file: noFile{}},
	}
}

// answers returns the findings by question, of one pay type and of the account.
func answers(all []Finding, p qfpay.PayType) map[Question]Finding {
	found := map[Question]Finding{}
	for _, f := range all {
		if f.PayType == p || f.PayType == "" {
			found[f.Question] = f
		}
	}
	return found
}
