package qfpay_test

import (
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/qfpay-worker/qfpay-worker/qfpay"
	"github.com/qfpay-worker/qfpay-worker/qfpay/simulator"
)

func hongKong(text string) time.Time {
	t, err := qfpay.ParseDateTime(text)
	if err != nil {
		panic(err)
	}
	return t
}

func TestWindows_StayWithinTheirMonths(t *testing.T) {
	t.Parallel()
	var got []string
	for _, w := range qfpay.Windows(hongKong("2026-01-31 23:50:00"), hongKong("2026-03-01 00:00:00"), "0000") {
		got = append(got, qfpay.FormatDateTime(w.From)+" "+qfpay.FormatDateTime(w.To)+" "+string(w.RespCd))
	}
	want := []string{"2026-01-31 23:50:00 2026-01-31 23:59:59 0000", "2026-02-01 00:00:00 2026-02-28 23:59:59 0000", "2026-03-01 00:00:00 2026-03-01 00:00:00 0000"}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
}

// The rows of a window come page by page, refunds among them, each with the time at which it was paid;
// with a respcd, only those that have it. A count of the last page tells whether anything is new.
func TestQueryWindow_ReadsEveryPage(t *testing.T) {
	t.Parallel()
	now := hongKong("2026-03-10 12:00:00")
	g := simulator.New(simulator.Config{PerSecond: simulator.NoLimit, PerMinute: simulator.NoLimit, Now: func() time.Time { return now }})
	c := &qfpay.Client{Merchant: qfpay.Merchant{Name: "default", BaseURL: "http://gateway", AppCode: simulator.SampleAppCode, Key: simulator.SampleKey},
		HTTP: &http.Client{Transport: g.Transport()}}
	for i := range 250 {
		o := qfpay.Order{OutTradeNo: "W" + strconv.Itoa(i), PayType: qfpay.AlipayHK, TxAmt: 100, TxCurrCd: "HKD", TxDtm: "2026-03-10 12:00:00"}
		if _, err := c.CreatePayment(t.Context(), o, nil); err != nil {
			t.Fatal(err)
		}
	}
	for i := range 110 {
		if err := g.Pay("W" + strconv.Itoa(i)); err != nil {
			t.Fatal(err)
		}
	}
	for _, one := range []struct {
		respCd         qfpay.RespCd
		first          int
		rows, distinct int
	}{{"", 1, 250, 250}, {"0000", 1, 110, 110}, {"0000", 2, 10, 10}, {"0000", 3, 0, 0}, {"1181", 1, 0, 0}} {
		seen := map[string]bool{}
		n, err := c.QueryWindow(t.Context(), qfpay.Window{From: now, To: now, RespCd: one.respCd}, one.first, func(rows []qfpay.Record) bool {
			for _, r := range rows {
				seen[r.OutTradeNo] = true
				if paid := r.Standing() == qfpay.Paid; paid != strings.HasPrefix(r.PayDtm, "2026-03-10 12:00") {
					t.Errorf("%s: paid %t, paydtm %q", r.OutTradeNo, paid, r.PayDtm)
				}
			}
			return true
		})
		if err != nil || n != one.rows || len(seen) != one.distinct {
			t.Errorf("%+v: %d rows of %d orders, %v", one, n, len(seen), err)
		}
	}
}
