package qfpay

import "testing"

func TestRecord_ARowTellsTheStandingOfItsOrder(t *testing.T) {
	for _, row := range []struct {
		code   RespCd
		cancel string
		want   Standing
	}{
		{"1143", "0", Unpaid},  // WeChat
		{"1145", "", Unpaid},   // Alipay
		{"1145", "2", Dead},    // cancelled
		{"0000", "0", Paid},    // paid
		{"0000", "", Paid},     // no such field
		{"0000", "3", Paid},    // and refunded since
		{"0000", "5", Paid},    // in part
		{"0000", "2", Dead},    // cancelled, or refunded as in 2017
		{"0000", "1", Unclear}, // CPM only
		{"0000", "9", Unclear}, // unknown
		{"1142", "2", Dead},    // closed
		{"1181", "0", Dead},    // expired
		{"1260", "2", Paid},    // the code decides
		{"1205", "0", Failed},  // printed sample
		{"1298", "0", Unclear}, // the text asks for a query
		{"4711", "2", Unclear}, // unknown
	} {
		if got := (Record{RespCd: row.code, Cancel: row.cancel}).Standing(); got != row.want {
			t.Errorf("%s with cancel %q: %v, want %v", row.code, row.cancel, got, row.want)
		}
	}
}

func TestRecord_ARowMatchesItsOrder(t *testing.T) {
	for _, row := range []struct {
		amount, currency string
		want             bool
	}{
		{"2500", "HKD", true},
		{"2500", "", true}, // rows of 2017
		{"", "", true},
		{"2501", "HKD", false},
		{"2500", "CNY", false},
	} {
		if got := (Record{TxAmt: row.amount, TxCurrCd: row.currency}).Matches(testOrder()); got != row.want {
			t.Errorf("%+v: %v", row, got)
		}
	}
}

func TestRespCd_UnknownClassesAndStandingsHaveTheCautiousNames(t *testing.T) {
	if Standing(99).String() != "unclear" || Class(99).String() != "doubt" {
		t.Error(Standing(99), Class(99))
	}
}
