package tasks

import (
	"strings"
	"testing"
	"unicode/utf8"

	"pgregory.net/rapid"

	"github.com/qfpay-worker/qfpay-worker/qfpay"
)

func TestGoodsName_SendsWhatItsFormAllows(t *testing.T) {
	for _, c := range []struct{ given, clean, asis string }{
		{"", "", ""},
		{"Milk Tea", "MilkTea", "Milk Tea"},
		{"qfpay_payme", "qfpay_payme", "qfpay_payme"}, // QFPay's own sample
		{"★特價★奶茶", "特價奶茶", "★特價★奶茶"},
		{"Ａ１ чай", "", "Ａ１ чай"}, // full-width forms and Cyrillic are refused by QFPay's reference of 2018
		{"a\x00\r\nb\u0085", "ab", "ab"},
		{"e\u0301", "e", "é"},
		{"★", "", "★"},
		{strings.Repeat("茶", 30), strings.Repeat("茶", 20), strings.Repeat("茶", 30)},
		{strings.Repeat("𠮷", 20), strings.Repeat("𠮷", 16), strings.Repeat("𠮷", 20)}, // 64 bytes
	} {
		for form, want := range map[GoodsName]string{"": c.clean, CleanName: c.clean, StrictName: c.clean, AsIsName: c.asis} {
			if got := form.Sent(c.given); got != want {
				t.Errorf("%q, %q: %q, want %q", form, c.given, got, want)
			}
		}
	}
}

func TestGoodsName_StrictRefusesWhatWouldBeChanged(t *testing.T) {
	for name, want := range map[string]bool{"": true, "奶茶_2": true, "Milk Tea": false, "★": false} {
		o := Order{Order: qfpay.Order{GoodsName: name}}
		if err := StrictName.Check(o); (err == nil) != want || err != nil && (!strings.Contains(err.Error(), "QFPAY_GOODS_NAME=strict") || strings.Contains(err.Error(), `such as ""`)) {
			t.Errorf("%q: %v", name, err)
		}
		if CleanName.Check(o) != nil || AsIsName.Check(o) != nil {
			t.Errorf("%q is refused without strict", name)
		}
	}
}

// Whatever a shop calls its goods, the order is taken, and what is sent fits QFPay's field.
func TestGoodsName_NoOrderIsLostOverItsName(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		name := rapid.StringN(0, 256, 256).Draw(t, "name")
		o, err := FromFields(map[string]string{"out_trade_no": "A1", "pay_type": "802001", "txamt": "100", "txcurrcd": "HKD", "goods_name": name})
		if err != nil || o.GoodsName != name {
			t.Fatalf("%q: %v", o.GoodsName, err)
		}
		sent := CleanName.Sent(name)
		if len(sent) > 64 || utf8.RuneCountInString(sent) > 20 || CleanName.Sent(sent) != sent {
			t.Fatalf("%q is sent", sent)
		}
	})
}
