package tasks

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/qfpay-worker/qfpay-worker/internal/redistest"
	"github.com/qfpay-worker/qfpay-worker/qfpay"
)

func TestAccept_TheJournalIsWrittenAndNoWorkerIsWoken(t *testing.T) {
	t.Parallel()
	rdb := redistest.Start(t).Client(t)
	p := NewProducer(rdb, Keys{DefaultPrefix})
	o := Order{Order: qfpay.Order{OutTradeNo: "A1", PayType: qfpay.FPS, TxAmt: 100, TxCurrCd: "HKD"}}.WithDefaults(time.Now())
	for _, want := range []Acceptance{Enqueued, Duplicate} {
		if got, err := p.Accept(t.Context(), o); got != want || err != nil {
			t.Errorf("%s, %v; want %s", got, err, want)
		}
	}
	o.TxAmt++
	var conflict *ConflictError
	if _, err := p.Accept(t.Context(), o); !errors.As(err, &conflict) {
		t.Errorf("other content: %v", err)
	}
	if keys := rdb.Keys(t.Context(), "asynq:*").Val(); len(keys) != 0 {
		t.Errorf("a task was enqueued: %v", keys)
	}
}

// What is no valid order still gets a journal, so that it can get a result.
func TestAcceptInvalid_ThePayloadIsKept(t *testing.T) {
	t.Parallel()
	rdb := redistest.Start(t).Client(t)
	k := Keys{DefaultPrefix}
	p := NewProducer(rdb, k)
	payload := []byte(`{"out_trade_no":"A1","txamt":"much"}`)
	for range 2 { // delivered twice
		if err := p.AcceptInvalid(t.Context(), "default:A1", payload, ""); err != nil {
			t.Fatal(err)
		}
	}
	if got := rdb.HGet(t.Context(), k.Order("default:A1"), "order").Val(); got != string(payload) {
		t.Errorf("the journal has %q", got)
	}
	if n := rdb.ZCard(t.Context(), k.Due()).Val(); n != 1 {
		t.Errorf("%d orders are due", n)
	}
}

func TestIdentify_AnIDNeedsAMerchantAndANumber(t *testing.T) {
	for _, c := range []struct{ merchant, outTradeNo, id, wrong string }{
		{"", "A1", "default:A1", ""},
		{"eu", "A-1_b", "eu:A-1_b", ""},
		{"eu", strings.Repeat("x", 128), "eu:" + strings.Repeat("x", 128), ""}, // too long to be valid, and yet a name
		{"", "", "", "out_trade_no"},
		{"", "A 1", "", "out_trade_no"},
		{"a:b", "A1", "", "merchant"}, // would be another order's key
		{"{eu}", "A1", "", "merchant"},
	} {
		id, err := Identify(c.merchant, c.outTradeNo)
		if id != c.id || (err == nil) != (c.wrong == "") || err != nil && !strings.HasPrefix(err.Error(), c.wrong+":") {
			t.Errorf("%q %q: %q, %v", c.merchant, c.outTradeNo, id, err)
		}
	}
}
