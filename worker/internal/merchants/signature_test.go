package merchants

import (
	"bytes"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/qfpay-worker/qfpay-worker/qfpay"
	"github.com/qfpay-worker/qfpay-worker/worker/event"
)

// calls counts the calls that were observed.
type calls int

func (c *calls) Observe(event.Event) { *c++ }

// A gateway that signs in another way would fill the log: each merchant's wrong signatures are
// logged once a minute, and all of them are counted.
func TestSignature_AWrongOneIsLoggedOnceAMinute(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var log bytes.Buffer
		var observed calls
		on := onCall("shop", Config{Observer: &observed, Logger: slog.New(slog.NewTextHandler(&log, nil))})
		for range 3 {
			on(qfpay.Call{Merchant: "shop", Endpoint: "payment", Signature: qfpay.SignatureReflected})
			on(qfpay.Call{Merchant: "shop", Endpoint: "payment", Signature: qfpay.SignatureAbsent})
			on(qfpay.Call{Merchant: "shop", Endpoint: "payment", Signature: qfpay.SignatureRight})
		}
		if n := strings.Count(log.String(), "merchant=shop endpoint=payment signature=reflected"); n != 1 || strings.Count(log.String(), "\n") != 1 {
			t.Errorf("%d lines:\n%s", n, log.String())
		}
		time.Sleep(time.Minute) // the clock of the bubble
		on(qfpay.Call{Merchant: "shop", Endpoint: "query", Signature: qfpay.SignatureWrong})
		if n := strings.Count(log.String(), "\n"); n != 2 {
			t.Errorf("%d lines after a minute:\n%s", n, log.String())
		}
		if observed != 10 {
			t.Errorf("%d calls were observed", observed)
		}
	})
}
