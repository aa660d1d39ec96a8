package simulator

import (
	"encoding/json"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/qfpay-worker/qfpay-worker/qfpay"
)

func TestCreate_TheAnswerIsAsTheMPMPageShows(t *testing.T) {
	g := still(Config{})
	r := expect(t, g, "payment", order("A1"), "0000")
	// The bytes, not only the fields: the signature is over them.
	want := `{"surcharge_fee": 0, "qrcode": "` + r.str("qrcode") + `", "pay_type": "800101", "surcharge_rate": 0, ` +
		`"resperr": "success", "txdtm": "2026-03-10 12:00:00", "out_trade_no": "A1", "syssn": "20260310000200000000000001", ` +
		`"sysdtm": "2026-03-10 12:00:00", "txcurrcd": "HKD", "respmsg": "", "chnlsn2": "", "cardcd": "", "udid": "qiantai2", ` +
		`"txamt": "300", "respcd": "0000", "chnlsn": ""}`
	if diff := cmp.Diff(want, r.raw); diff != "" {
		t.Error(diff)
	}
	if got := r.header.Get("X-QF-SIGN"); got != qfpay.MD5.SignText([]byte(r.raw), SampleKey) {
		t.Errorf("X-QF-SIGN %s is not the MD5 of body and key", got)
	}
	if got := r.header.Get("Content-Type"); got != "application/json; charset=UTF-8" {
		t.Errorf("Content-Type %s", got)
	}
}

func TestQRCode_EveryWalletGetsItsOwn(t *testing.T) {
	prefix := map[string]string{
		"800101": "https://qr.alipay.com/bax", "801501": "https://qr.alipay.com/bax",
		"800201": "weixin://wxpay/bizpayurl?pr=", "805801": "https://qr.payme.hsbc.com.hk/2/",
		"800701": "00020101021215", "802001": "00020101021226", "803701": "00020101021228",
	}
	g := New(Config{PerSecond: NoLimit, PerMinute: NoLimit})
	seen := map[string]bool{}
	for _, payType := range slices.Sorted(maps.Keys(prefix)) {
		for _, no := range []string{"a", "b", "c"} {
			r := expect(t, g, "payment", order(payType+no, "pay_type", payType), "0000")
			qr := r.str("qrcode")
			if !strings.HasPrefix(qr, prefix[payType]) || len(qr) > 512 || seen[qr] {
				t.Errorf("%s: qrcode %q", payType, qr)
			}
			seen[qr] = true
			_, dated := r.json["paydtm"]
			if want := payType == "800201" || payType == "805801"; dated != want {
				t.Errorf("%s: paydtm present: %v", payType, dated)
			}
		}
	}
}

func TestQRCode_EMVTextsAreWellFormed(t *testing.T) {
	// The checksum of CRC-16/CCITT-FALSE is defined by this value for "123456789".
	if got := crc16([]byte("123456789")); got != 0x29B1 {
		t.Fatalf("crc16: %04X", got)
	}
	text := qrCode(&Order{PayType: qfpay.FPS, TxAmt: 12305, Syssn: "20260310000200000000000001"}, 0)
	tags := ""
	for rest := text; rest != ""; {
		n := int(rest[2]-'0')*10 + int(rest[3]-'0')
		tags += rest[:2] + " "
		if rest[:2] == "54" && rest[4:4+n] != "123.05" {
			t.Errorf("amount %s", rest[4:4+n])
		}
		rest = rest[4+n:]
	}
	if tags != "00 01 26 52 53 54 58 59 60 62 63 " {
		t.Errorf("tags %s in %s", tags, text)
	}
}

func TestCreate_ARepeatedNumberIsAnsweredAsConfigured(t *testing.T) {
	open := func(*Gateway) {}
	paid := func(g *Gateway) { g.Pay("A1") }
	for _, test := range []struct {
		why    string
		mode   DuplicateAnswer
		before func(*Gateway)
		again  qfpay.Params
		respcd string
		orders int
	}{
		{"the default", "", open, order("A1"), "1102", 1},
		{"serial number repeats", Duplicate2011, open, order("A1"), "2011", 1},
		{"as seen live on a refund", Duplicate1251, open, order("A1"), "1251", 1},
		{"in Chinese", "1251:订单号重复", open, order("A1"), "1251", 1},
		{"in words only", "1104:out_trade_no already exists", open, order("A1"), "1104", 1},
		{"by state: unpaid", DuplicateState, open, order("A1"), "1261", 1},
		{"by state: paid", DuplicateState, paid, order("A1"), "1260", 1},
		{"by state: refunded", DuplicateState, func(g *Gateway) { g.Pay("A1"); g.Refund("A1") }, order("A1"), "1262", 2},
		{"by state: expired", DuplicateState, func(g *Gateway) { g.Advance(31 * 60e9) }, order("A1"), "1181", 1},
		{"2018: the same QR code while unpaid", DuplicateReissue, open, order("A1"), "0000", 1},
		{"2018: not when it is paid", DuplicateReissue, paid, order("A1"), "1260", 1},
		{"2018: not for another amount", DuplicateReissue, open, order("A1", "txamt", "301"), "1267", 1},
		{"a gateway that does not care", DuplicateNone, open, order("A1"), "0000", 2},
	} {
		t.Run(test.why, func(t *testing.T) {
			g := still(Config{Duplicate: test.mode})
			first := expect(t, g, "payment", order("A1"), "0000")
			test.before(g)
			again := expect(t, g, "payment", test.again, test.respcd)
			if n := len(g.Orders()); n != test.orders {
				t.Errorf("%d orders, want %d", n, test.orders)
			}
			if test.mode == Duplicate1251 && again.str("respmsg") != "out_trade_no is used" {
				t.Errorf("respmsg %q", again.str("respmsg"))
			}
			if _, text := test.mode.split(); text != "" && again.str("resperr") != text && again.str("respmsg") != text {
				t.Errorf("does not say %s: %s", text, again.raw)
			}
			if same := again.str("qrcode") == first.str("qrcode"); test.mode == DuplicateReissue && test.respcd == "0000" && !same {
				t.Error("another QR code")
			}
			if calls := g.Calls(); calls[1].Stored != (test.mode == DuplicateNone) || !calls[1].Done {
				t.Errorf("journal: %+v", calls[1])
			}
		})
	}
}

func TestCreate_ANumberIsTheMerchantAccountsOwn(t *testing.T) {
	g := still(Config{Merchants: []Account{{AppCode: SampleAppCode, Key: SampleKey, MchIDs: []string{"one", "two"}}}})
	expect(t, g, "payment", order("A1", "mchid", "one"), "0000")
	expect(t, g, "payment", order("A1", "mchid", "two"), "0000")
	expect(t, g, "payment", order("A1", "mchid", "two"), "1102")
}

func TestLedger_AnOrderExpiresInItsTime(t *testing.T) {
	g := still(Config{})
	expect(t, g, "payment", order("default"), "0000")
	expect(t, g, "payment", order("short", "expired_time", "5"), "0000")
	for _, step := range []struct {
		advance int64
		want    []State
	}{
		{5*60e9 - 1, []State{Created, Created}},
		{1, []State{Created, Expired}},
		{25*60e9 - 1, []State{Created, Expired}},
		{1, []State{Expired, Expired}},
	} {
		g.Advance(time.Duration(step.advance))
		if diff := cmp.Diff(step.want, []State{state(g, "default"), state(g, "short")}); diff != "" {
			t.Error(diff)
		}
	}
	if g.Pay("short") == nil {
		t.Error("an expired order could be paid")
	}
}

func TestLedger_OrdersAreReadBackAsJSON(t *testing.T) {
	g := still(Config{})
	expect(t, g, "payment", order("A1", "goods_name", "测试"), "0000")
	want := g.Orders()[0]
	line, err := json.Marshal(want)
	if err != nil {
		t.Fatal(err)
	}
	var got Order
	if err := json.Unmarshal(line, &got); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got, cmp.AllowUnexported(Order{})); diff != "" {
		t.Error(diff)
	}
}
