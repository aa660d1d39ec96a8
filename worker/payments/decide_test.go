package payments

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/qfpay-worker/qfpay-worker/qfpay"
	"github.com/qfpay-worker/qfpay-worker/tasks"
	"github.com/qfpay-worker/qfpay-worker/worker/internal/timing"
)

var noon = time.Date(2026, 3, 10, 12, 0, 0, 0, qfpay.Zone)

func aCode() Code {
	return Code{Merchant: "default", IssuedAs: "A1", Syssn: "S1", PublishedAt: noon, SysDtm: noon, Expires: noon.Add(30 * time.Minute),
		Order: qfpay.Order{OutTradeNo: "A1", PayType: qfpay.AlipayHK, TxAmt: 2500, TxCurrCd: "HKD"}}
}

// Every pair of rows that QFPay may have under a number, of every respcd, cancel, syssn, amount and type,
// while the code lives and after: what is proved, by the rules and not by the code's own reasoning.
func TestRead_ProvesOnlyWhatRowsShow(t *testing.T) {
	t.Parallel()
	var rows []qfpay.Record
	for _, code := range []qfpay.RespCd{"0000", "1143", "1145", "1142", "1181", "1263", "1205", "1100", "1262"} {
		for _, cancel := range []string{"0", "2", "3"} {
			for _, syssn := range []string{"S1", "S2"} {
				for _, amount := range []string{"2500", "2501"} {
					for _, kind := range []string{"payment", "refund"} {
						rows = append(rows, qfpay.Record{OutTradeNo: "A1", RespCd: code, Cancel: cancel, Syssn: syssn, TxAmt: amount, TxCurrCd: "HKD", OrderType: kind})
					}
				}
			}
		}
	}
	c := aCode()
	for _, asked := range []bool{false, true} {
		c.CancelAsked = asked
		for _, after := range []time.Duration{time.Minute, 31 * time.Minute} {
			now := noon.Add(after)
			for i, a := range rows {
				check(t, c, now, []qfpay.Record{a})
				for _, b := range rows[i:] {
					check(t, c, now, []qfpay.Record{a, b})
				}
			}
		}
	}
	if s := Read(c, nil, noon.Add(time.Hour)); !s.NotFound || s.Event != "" {
		t.Errorf("no row: %+v", s)
	}
}

func check(t *testing.T, c Code, now time.Time, rows []qfpay.Record) {
	t.Helper()
	s := Read(c, rows, now)
	paid, others, dead, refunded := map[string]bool{}, 0, 0, false
	payments := 0
	for _, r := range rows {
		if r.OrderType != "payment" {
			continue
		}
		payments++
		success := r.RespCd == "0000" && r.Cancel != "2" || r.RespCd == "1260" || r.RespCd == "1262"
		gone := slices.Contains([]qfpay.RespCd{"1142", "1181", "1263"}, r.RespCd) || r.Cancel == "2" && slices.Contains([]qfpay.RespCd{"0000", "1143", "1145"}, r.RespCd)
		switch {
		case success && r.TxAmt == "2500":
			paid[r.Syssn] = true
			refunded = refunded || r.Cancel == "3" || r.Cancel == "5" || r.RespCd == "1262"
		case success, !gone && r.RespCd != "1205", r.Syssn != "S1":
			others++ // may be paid yet, or is not clear
		case gone || now.After(noon.Add(30*time.Minute)):
			dead++
		}
	}
	final := s.Event == tasks.Lapsed || s.Event == tasks.Closed
	switch {
	case (s.Event == tasks.Paid) != (len(paid) > 0), s.Twice != (len(paid) > 1), s.Refunded != (refunded && len(paid) > 0):
	case len(paid) == 0 && final != (dead > 0 && others == 0):
	case s.NotFound != (payments == 0):
	case len(paid) > 1 && (s.Row.Syssn != "S1" || s.Second.Syssn != "S2"):
	case final && s.Event != wantEnding(c, s.Row, now):
	default:
		return
	}
	t.Fatalf("after %s, rows %s\nshow %+v", now.Sub(noon), short(rows), s)
}

func wantEnding(c Code, r qfpay.Record, now time.Time) tasks.PaymentEvent {
	if c.CancelAsked || r.Cancel == "2" || r.RespCd == "1263" || r.RespCd == "1142" && now.Sub(noon) < 30*time.Minute {
		return tasks.Closed
	}
	return tasks.Lapsed
}

func short(rows []qfpay.Record) string {
	b, _ := json.Marshal(rows)
	return string(b)
}

// Rows as they were captured from QFPay, or printed in its references: not our simulator's.
func TestRead_RowsFromOutside(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name string
		row  qfpay.Record
		want tasks.PaymentEvent
	}{
		{"reference of 2018, WeChat, unpaid", qfpay.Record{RespCd: "1143", Cancel: "0", OrderType: "payment", TxAmt: "1", TxCurrCd: "HKD"}, ""},
		{"reference of 2017, closed; no currency", qfpay.Record{RespCd: "1142", Cancel: "2", OrderType: "payment", TxAmt: "1"}, tasks.Closed},
		{"production, refunded since", qfpay.Record{RespCd: "0000", Cancel: "3", OrderType: "payment", TxAmt: "1", TxCurrCd: "HKD"}, tasks.Paid},
		{"production, a refund's own row", qfpay.Record{RespCd: "0000", Cancel: "0", OrderType: "refund", TxAmt: "1", TxCurrCd: "HKD"}, ""},
		{"reference of 2018, timed out", qfpay.Record{RespCd: "1142", Cancel: "0", OrderType: "payment", TxAmt: "1", TxCurrCd: "HKD"}, tasks.Lapsed},
	} {
		code := aCode()
		code.Order.TxAmt, code.Syssn = 1, ""
		c.row.OutTradeNo = "A1"
		if s := Read(code, []qfpay.Record{c.row}, noon.Add(time.Hour)); s.Event != c.want {
			t.Errorf("%s: %q, want %q", c.name, s.Event, c.want)
		}
	}
}

func TestReadNotification_ProvesOnlyWhatFits(t *testing.T) {
	t.Parallel()
	n := qfpay.Notification{Type: qfpay.NotifyPayment, OutTradeNo: "A1", Syssn: "S1", TxAmt: 2500, TxCurrCd: "HKD"}
	for _, c := range []struct {
		name   string
		paidAs string
		change func(*qfpay.Notification)
		want   Notice
	}{
		{"payment", "", func(n *qfpay.Notification) {}, Notice{Event: tasks.Paid}},
		{"the same again", "S1", func(n *qfpay.Notification) {}, Notice{Event: tasks.Paid}},
		{"another payment", "S2", func(n *qfpay.Notification) {}, Notice{Event: tasks.Paid, Doubtful: true}},
		{"amount", "", func(n *qfpay.Notification) { n.TxAmt = 2499 }, Notice{}},
		{"currency", "", func(n *qfpay.Notification) { n.TxCurrCd = "CNY" }, Notice{}},
		{"number", "", func(n *qfpay.Notification) { n.OutTradeNo = "A1_2" }, Notice{}},
		{"refund", "S1", func(n *qfpay.Notification) {
			n.Type, n.OutTradeNo, n.OrigOutTradeNo, n.TxAmt = qfpay.NotifyRefund, "R1", "A1", 100
		}, Notice{Event: tasks.Refunded}},
		{"refund of another", "S1", func(n *qfpay.Notification) { n.Type = qfpay.NotifyRefund }, Notice{}},
		{"refund of more", "S1", func(n *qfpay.Notification) { n.Type, n.OrigOutTradeNo, n.TxAmt = qfpay.NotifyRefund, "A1", 2501 }, Notice{}},
	} {
		one := n
		c.change(&one)
		if got := ReadNotification(aCode(), one, c.paidAs); got != c.want {
			t.Errorf("%s: %+v, want %+v", c.name, got, c.want)
		}
	}
}

// A code that QFPay shows unpaid for good costs a few looks, not one an hour for all the days that its
// journal is kept; and there is still one every day.
func TestNextLook_IsRareForACodeThatNeverEnds(t *testing.T) {
	t.Parallel()
	c := aCode()
	looks, looked := 0, c.life().Add(timing.PaymentLag)
	for until := noon.Add(30 * 24 * time.Hour); looked.Before(until); looks++ {
		next := NextLook(c, looked)
		if gap := next.Sub(looked); gap < timing.EndedLook || gap > 24*time.Hour {
			t.Errorf("%s after its life the next look is %s later", looked.Sub(c.life()), gap)
		}
		looked = next
	}
	if looks < 30 || looks > 60 {
		t.Errorf("%d looks in the 30 days of its journal", looks)
	}
}

// Looks come soon after the publication, thin out, and one comes when the code has run out; a code whose
// life QFPay does not tell is not given up before the longest that there is.
func TestNextLook_ThinsOutAndIsThereAtTheEnd(t *testing.T) {
	t.Parallel()
	for _, known := range []bool{true, false} {
		c := aCode()
		if !known {
			c.Expires = time.Time{}
		}
		var looked, at time.Time
		var ages []string
		atEnd := false
		for at = NextLook(c, looked); at.Sub(noon) < 26*time.Hour; at = NextLook(c, looked) {
			if !at.After(looked) {
				t.Fatalf("looked at %s, and again at %s", looked, at)
			}
			if gap := at.Sub(looked); !looked.IsZero() && !c.Over(looked) && gap > timing.OldLook {
				t.Errorf("no look for %s at %s", gap, at.Sub(noon))
			}
			atEnd = atEnd || c.Over(at.Add(time.Millisecond)) && at.Sub(c.life()) <= timing.PaymentLag+timing.EndedLook
			ages = append(ages, at.Sub(noon).String())
			looked = at
		}
		if first := ages[0]; first != timing.FirstLook.String() || !atEnd {
			t.Errorf("known life %t: first look after %s, at the end %t: %s", known, first, atEnd, strings.Join(ages, " "))
		}
		if want := 70; known && len(ages) > 130 || !known && len(ages) > 270 {
			t.Errorf("%d looks in a day, want about %d", len(ages), want)
		}
	}
}
