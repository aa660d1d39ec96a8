package probe

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/qfpay-worker/qfpay-worker/qfpay"
)

func of(p qfpay.PayType, q Question, a Answer) Finding {
	return Finding{PayType: p, Question: q, Answer: a}
}

func TestSettings_FollowFromFindings(t *testing.T) {
	t.Parallel()
	const a, w, f = qfpay.AlipayHK, qfpay.WeChat, qfpay.FPS
	for _, row := range []struct {
		why      string
		findings []Finding
		want     map[string]string
	}{
		{"nothing is known", []Finding{of(a, OnSHA256, NotAnswered)}, map[string]string{}},
		{"SHA256 is taken where it was tried", []Finding{of(a, OnSHA256, IsTaken), of(w, OnSHA256, NotAnswered)}, map[string]string{"QFPAY_SIGN_TYPE": "SHA256"}},
		{"one wallet needs MD5", []Finding{of(a, OnSHA256, IsTaken), of(w, OnSHA256, IsRefused), of(a, OnMD5, IsTaken), of(w, OnMD5, IsTaken)}, map[string]string{"QFPAY_SIGN_TYPE": "MD5"}},
		{"no hash is for all", []Finding{of(a, OnSHA256, IsTaken), of(w, OnSHA256, IsRefused), of(a, OnMD5, IsRefused), of(w, OnMD5, IsTaken)}, map[string]string{}},
		{"numbers are unique", []Finding{of(a, OnRepeat, IsRefused), of(w, OnRepeat, SameOrder), of(f, OnRepeat, NotAnswered)}, map[string]string{"QFPAY_UNIQUE_NUMBERS": "true"}},
		{"one wallet takes a number twice", []Finding{of(a, OnRepeat, IsRefused), of(w, OnRepeat, TwoOrders)}, map[string]string{"QFPAY_UNIQUE_NUMBERS": "false"}},
		{"all answers are signed", []Finding{of("", OnSignature, IsRight)}, map[string]string{"QFPAY_VERIFY_RESPONSES": "strict"}},
		{"some are", []Finding{of("", OnSignature, IsMixed)}, map[string]string{"QFPAY_VERIFY_RESPONSES": "warn"}},
		{"none is", []Finding{of("", OnSignature, IsAbsent)}, map[string]string{"QFPAY_VERIFY_RESPONSES": "warn"}},
		{"wrong ones", []Finding{of("", OnSignature, IsWrong)}, map[string]string{"QFPAY_VERIFY_RESPONSES": "warn"}},
		{"orders can be closed", []Finding{of(a, OnClose, IsRefused), of(a, OnReversal, Works)}, map[string]string{"QFPAY_LOST_RESPONSE": "auto"}},
		{"a wallet whose closing the worker does not use", []Finding{of(f, OnReversal, Works)}, map[string]string{}},
		{"names", []Finding{of(a, OnUnderscore, IsTaken), of(a, OnSpace, IsTaken), of(a, OnHyphen, IsTaken)}, map[string]string{"QFPAY_GOODS_NAME": "clean"}},
	} {
		got := map[string]string{}
		for _, s := range Settings(row.findings) {
			if s.Value != "" {
				got[s.Variable] = s.Value
			}
			if s.Why == "" && s.Variable != "QFPAY_VERIFY_RESPONSES" {
				t.Errorf("%s: %s has no reason", row.why, s.Variable)
			}
		}
		if d := cmp.Diff(row.want, got); d != "" {
			t.Errorf("%s: %s", row.why, d)
		}
	}
}

func TestSettings_SayWhatClosingMeansForALostAnswer(t *testing.T) {
	t.Parallel()
	found := []Finding{
		of(qfpay.AlipayHK, OnReversal, IsRefused), of(qfpay.WeChat, OnClose, RefusedYoung), of(qfpay.WeChat, OnReversal, Works), of(qfpay.FPS, OnReversal, Works),
	}
	want := "an order whose QR code was lost is closed and issued again for 800201; for 801501 QFPay has not closed such an order, so it is issued again only when its code has run out"
	if d := cmp.Diff(want, lostResponse(found).Why); d != "" {
		t.Error(d)
	}
}
