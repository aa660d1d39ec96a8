package qfpay

import (
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestRespCd_TheTableAgreesWithTheList compares the table with a list of code, class and
// standing that was written independently from the status pages.
func TestRespCd_TheTableAgreesWithTheList(t *testing.T) {
	text, err := os.ReadFile("testdata/respcd.tsv")
	if err != nil {
		t.Fatal(err)
	}
	var got strings.Builder
	for _, code := range RespCds() {
		got.WriteString(string(code) + "\t" + code.Class(Hint{}).String() + "\t" + code.Standing().String() + "\n")
	}
	if diff := cmp.Diff(string(text), got.String()); diff != "" {
		t.Errorf("testdata/respcd.tsv (-) and respcd_table.go (+) differ:\n%s", diff)
	}
}

func TestRespCd_EveryCodeHasOneRowAndAMeaning(t *testing.T) {
	all := RespCds()
	if !slices.IsSorted(all) || len(slices.Compact(slices.Clone(all))) != len(all) {
		t.Error("codes are not in ascending order, each once")
	}
	for _, code := range all {
		if m := code.Meaning(); m == "" || m == RespCd("9999").Meaning() {
			t.Errorf("%s has no meaning", code)
		}
		if !code.Known() {
			t.Errorf("%s is not known", code)
		}
	}
}

func TestRespCd_AnUnknownCodeIsADoubt(t *testing.T) {
	for _, code := range []RespCd{"", "0", "9999", "00000"} {
		if code.Known() || code.Class(Hint{}) != Doubt || code.Standing() != Unclear {
			t.Errorf("%q: %v, %v", code, code.Class(Hint{}), code.Standing())
		}
	}
}

func TestRespCd_TextAndDeviceDecideOverloadedCodes(t *testing.T) {
	for _, row := range []struct {
		code RespCd
		hint Hint
		want Class
	}{
		{"1104", Hint{Text: "Filter Error"}, Hold},                           // the pay type is not enabled
		{"1104", Hint{Text: "txamt"}, Refused},                               // the error is in the order
		{"1251", Hint{Text: "out_trade_no is used"}, Doubt},                  // seen live
		{"1251", Hint{Text: "Do not use duplicate out_trade_no"}, Doubt},     // seen live
		{"1251", Hint{Text: "DUPLICATE"}, Doubt},                             // in any case
		{"1251", Hint{Text: "store is being set up"}, Hold},                  // what the table says
		{"1105", Hint{UDID: true}, Refused},                                  // the order named the device
		{"1106", Hint{UDID: true}, Refused},                                  // the order named the device
		{"1107", Hint{UDID: true}, Refused},                                  // the order named the device
		{"1107", Hint{}, Hold},                                               // the merchant's own device
		{"1108", Hint{Text: "filter error", UDID: true}, Hold},               // the hint is for other codes
		{"1108", Hint{Text: "duplicate out_trade_no"}, Doubt},                // a used number, with any code
		{"1251", Hint{Text: "订单号重复"}, Doubt},                                 // the same in Chinese
		{"1103", Hint{Text: "訂單號重複"}, Doubt},                                 //
		{"1104", Hint{Text: "商户订单号已存在"}, Doubt},                              //
		{"1296", Hint{Text: "order already exists"}, Doubt},                  //
		{"1294", Hint{Text: "the number has been used"}, Doubt},              //
		{"1241", Hint{Text: "store does not exist"}, Hold},                   // says nothing of the number
		{"1241", Hint{Text: "商户不存在"}, Hold},                                  //
		{"1104", Hint{Text: "pay_type cannot be used, refused"}, Refused},    //
		{"1102", Hint{Text: "filter error", UDID: true}, Doubt},              // the hint is for other codes
		{"4711", Hint{Text: "filter error duplicate", UDID: true}, Doubt},    // the hint is for other codes
		{"1143", Hint{Text: "customer is entering the password now"}, Doubt}, // a QR code would make it a payment
	} {
		if got := row.code.Class(row.hint); got != row.want {
			t.Errorf("%s %+v: %v, want %v", row.code, row.hint, got, row.want)
		}
	}
}
