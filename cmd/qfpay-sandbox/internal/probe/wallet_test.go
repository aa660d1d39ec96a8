package probe

import (
	"slices"
	"testing"
	"time"

	"github.com/qfpay-worker/qfpay-worker/qfpay"
)

func TestRefusal_CountsWhenItCameAgain(t *testing.T) {
	t.Parallel()
	refusal := func(code qfpay.RespCd) Observation {
		return Observation{Event: Create, Verdict: Refused, RespCd: code, Class: code.Class(qfpay.Hint{}).String()}
	}
	for _, row := range []struct {
		why    string
		came   []qfpay.RespCd
		counts bool
	}{
		{"once", []qfpay.RespCd{"1104"}, false},
		{"twice", []qfpay.RespCd{"1104", "1104"}, true},
		{"each time another", []qfpay.RespCd{"1104", "1103", "1118"}, false},
		{"with others between", []qfpay.RespCd{"1104", "1103", "1104"}, true},
		{"twice, of the moment", []qfpay.RespCd{"1297", "1297"}, false},
		{"three times", []qfpay.RespCd{"1297", "1297", "1297"}, true},
	} {
		var all []Observation
		for _, code := range row.came {
			all = append(all, refusal(code), Observation{Event: Create, Verdict: Unanswered})
		}
		if _, counts := alike(all, func(Observation) bool { return true }); counts != row.counts {
			t.Errorf("%s: counts: %t", row.why, counts)
		}
	}
}

// Where QFPay signs answers, an unsigned one of the same kind may be of anybody.
func TestAnswer_OfSomebodyWithoutTheKeyDoesNotCount(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 3, 10, 4, 0, 0, 0, time.UTC)
	row := []Row{{Syssn: "S1", RespCd: "1143", Standing: "unpaid"}}
	sent := Observation{At: at, Event: Sent, PayType: qfpay.FPS, Number: "N1", Trial: Base}
	query := Observation{At: at, Event: Query, PayType: qfpay.FPS, Number: "N1", Verdict: Done, Rows: row}
	for _, c := range []struct {
		signatures []qfpay.Signature
		counted    int
	}{
		{[]qfpay.Signature{qfpay.SignatureAbsent, qfpay.SignatureAbsent}, 2},
		{[]qfpay.Signature{qfpay.SignatureWrong, qfpay.SignatureWrong}, 2},
		{[]qfpay.Signature{qfpay.SignatureAbsent, qfpay.SignatureRight}, 1},
		{[]qfpay.Signature{qfpay.SignatureRight, qfpay.SignatureWrong, qfpay.SignatureRight}, 2},
		{[]qfpay.Signature{qfpay.SignatureReflected}, 0},
	} {
		log := []Observation{sent}
		for _, s := range c.signatures {
			query.Signature = s
			log = append(log, query)
		}
		if n := len(readWallet(slices.Clone(log), qfpay.FPS).orders[0].queries); n != c.counted {
			t.Errorf("%v: %d answers count, want %d", c.signatures, n, c.counted)
		}
	}
}
