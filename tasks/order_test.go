package tasks

import (
	"encoding/json"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/qfpay-worker/qfpay-worker/qfpay"
)

// Producers, consumers and queued tasks depend on the bytes of an order: a change of this file
// is a change of the contract.
func TestOrder_ReadingAndWritingFollowTheGoldenFile(t *testing.T) {
	golden, err := os.ReadFile("testdata/order.json")
	if err != nil {
		t.Fatal(err)
	}
	written, err := json.MarshalIndent(validOrder(), "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(golden), string(written)+"\n"); diff != "" {
		t.Errorf("written (-golden +got):\n%s", diff)
	}
	read, err := ParseOrder(golden)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(validOrder(), read); diff != "" {
		t.Errorf("read (-want +got):\n%s", diff)
	}
}

func TestDecode_TheSameOrderComesFromEveryDoor(t *testing.T) {
	want := validOrder()
	for from, read := range map[string]func() (Order, error){
		"JSON": func() (Order, error) {
			return ParseOrder([]byte(`{"merchant":"default","out_trade_no":"A1001","pay_type":"801501","txamt":1250,
			"txcurrcd":"HKD","goods_name":"奶茶2杯","expired_time":30,"limit_pay":null,"pay_tag":"ALIPAYHK","udid":"till-3",
			"notify_url":"https://shop.example/notify?a=1&b=2","txdtm":"2026-03-01 12:00:00",
			"deadline":"2026-03-02T12:00:00+08:00","lane":"bulk"}`))
		},
		"JSON, all strings": func() (Order, error) {
			return ParseOrder([]byte(`{"merchant":"default","out_trade_no":"A1001","pay_type":"801501","txamt":"1250",
			"txcurrcd":"HKD","goods_name":"奶茶2杯","expired_time":"30","limit_pay":"","pay_tag":"ALIPAYHK",
			"udid":"till-3","notify_url":"https://shop.example/notify?a=1&b=2","txdtm":"2026-03-01 12:00:00",
			"deadline":"2026-03-02T04:00:00Z","lane":"bulk"}`))
		},
		"fields": func() (Order, error) {
			return FromFields(map[string]string{"merchant": "default", "out_trade_no": "A1001", "pay_type": "801501",
				"txamt": "1250", "txcurrcd": "HKD", "goods_name": "奶茶2杯", "expired_time": "30", "limit_pay": "",
				"pay_tag": "ALIPAYHK", "udid": "till-3", "notify_url": "https://shop.example/notify?a=1&b=2",
				"txdtm": "2026-03-01 12:00:00", "deadline": "2026-03-02T12:00:00+08:00", "lane": "bulk"})
		},
	} {
		got, err := read()
		if err != nil {
			t.Errorf("%s: %v", from, err)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", from, diff)
		}
	}
}

func TestDecode_NothingIsFilledIn(t *testing.T) {
	got, err := ParseOrder([]byte(`{"out_trade_no":"A1","pay_type":"802001","txamt":100,"txcurrcd":"HKD"}`))
	if err != nil {
		t.Fatal(err)
	}
	want := Order{Order: qfpay.Order{OutTradeNo: "A1", PayType: qfpay.FPS, TxAmt: 100, TxCurrCd: "HKD"}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

const good = `"out_trade_no":"A1","pay_type":"802001","txcurrcd":"HKD"` // the required fields but txamt

func TestDecode_WrongOrdersAreRefusedWithTheFieldNamed(t *testing.T) {
	for _, c := range []struct{ name, order, field, value, rule string }{
		{"amount with a fraction", `{` + good + `,"txamt":1.5}`, "txamt", "1.5", "must be a whole number, with or without quotes"},
		{"amount with an exponent", `{` + good + `,"txamt":1e3}`, "txamt", "1e3", "must be a whole number, with or without quotes"},
		{"amount in words", `{` + good + `,"txamt":"ten"}`, "txamt", "ten", "must be a whole number of minor units (100 is HKD 1.00), digits only"},
		{"amount with a plus", `{` + good + `,"txamt":"+5"}`, "txamt", "+5", "must be a whole number of minor units (100 is HKD 1.00), digits only"},
		{"amount with a space", `{` + good + `,"txamt":" 5"}`, "txamt", " 5", "must be a whole number of minor units (100 is HKD 1.00), digits only"},
		{"amount too large for 64 bits", `{` + good + `,"txamt":"9223372036854775808"}`, "txamt", "9223372036854775808", "must be a whole number of minor units (100 is HKD 1.00), digits only"},
		{"amount of the wrong type", `{` + good + `,"txamt":true}`, "txamt", "true", "must be a whole number, with or without quotes"},
		{"no amount", `{` + good + `}`, "txamt", "", "is required"},
		{"null amount", `{` + good + `,"txamt":null}`, "txamt", "", "is required"},
		{"number where text belongs", `{"out_trade_no":17,"pay_type":"802001","txcurrcd":"HKD","txamt":1}`, "out_trade_no", "17", "must be a JSON string, in quotes"},
		{"list where text belongs", `{` + good + `,"txamt":1,"udid":["x"]}`, "udid", "[\"x\"]", "must be a JSON string, in quotes"},
		{"expiry of zero", `{` + good + `,"txamt":1,"expired_time":0}`, "expired_time", "0", "must be a whole number of minutes; omit it for QFPay's default"},
		{"deadline without a zone", `{` + good + `,"txamt":1,"deadline":"2026-03-01T12:00:00"}`, "deadline", "2026-03-01T12:00:00", "must be a time as RFC 3339, for example 2026-03-01T12:00:00+08:00"},
		{"deadline with a one-digit hour", `{` + good + `,"txamt":1,"deadline":"2026-03-01T7:00:00Z"}`, "deadline", "2026-03-01T7:00:00Z", "must be a time as RFC 3339, for example 2026-03-01T12:00:00+08:00"},
		{"unknown lane", `{` + good + `,"txamt":1,"lane":"fast"}`, "lane", "fast", "must be interactive or bulk"},
		{"merchant with a colon", `{` + good + `,"txamt":1,"merchant":"a:b"}`, "merchant", "a:b", "must be 1 to 64 letters, digits, _ or -"},
		{"the same key twice", `{` + good + `,"txamt":1,"txamt":2}`, "txamt", "2", "appears more than once"},
		{"the same key twice, escaped", `{` + good + `,"txamt":1,"tx\u0061mt":2}`, "txamt", "2", "appears more than once"},
		{"key in capitals", `{` + good + `,"txamt":1,"Lane":"bulk"}`, "Lane", "", "is not a field of an order; the fields are " + strings.Join(Fields(), ", ")},
		{"bytes of Latin-1", "{" + good + `,"txamt":1,"udid":"caf` + "\xe9" + `"}`, "udid", "", "is not UTF-8"},
		{"half a surrogate pair", `{` + good + `,"txamt":1,"udid":"\ud83d"}`, "udid", "", "is not UTF-8"},
	} {
		_, err := ParseOrder([]byte(c.order))
		want := qfpay.FieldErrors{{Field: c.field, Value: c.value, Rule: c.rule}}
		if diff := cmp.Diff(error(want), err); diff != "" {
			t.Errorf("%s (-want +got):\n%s", c.name, diff)
		}
	}
}

func TestDecode_EverythingThatIsWrongIsSaidAtOnce(t *testing.T) {
	_, err := ParseOrder([]byte(`{"out_trade_no":7,"pay_type":"801501","txamt":"x","lane":"slow","deadline":"soon","amount":1,"colour":2}`))
	var named []string
	for _, e := range err.(qfpay.FieldErrors) {
		named = append(named, e.Field)
	}
	want := []string{"out_trade_no", "txamt", "txcurrcd", "deadline", "amount", "colour", "lane"}
	if diff := cmp.Diff(want, named); diff != "" {
		t.Errorf("fields (-want +got):\n%s", diff)
	}
}

func TestDecode_BrokenJSONIsRefusedWithThePlace(t *testing.T) {
	for _, c := range []struct{ name, text, want string }{
		{"nothing", ``, "byte 0"},
		{"cut off", `{"txamt":1`, "byte 10"},
		{"a comma too many", `{"txamt":1,}`, "byte 12"},
		{"something behind it", `{"txamt":1} x`, "byte 13"},
		{"two objects", `{"txamt":1}{"txamt":1}`, "byte 12"},
		{"leading zero", `{"txamt":01}`, "byte 11"},
		{"no object", `["txamt"]`, "JSON object"},
		{"null", `null`, "JSON object"},
		{"too long", `{"udid":"` + strings.Repeat("x", MaxOrderBytes) + `"}`, "at most 65536 bytes"},
	} {
		if _, err := ParseOrder([]byte(c.text)); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q in it", c.name, err, c.want)
		}
	}
}

func TestDecode_ManyUnknownFieldsAreCounted(t *testing.T) {
	fields := map[string]string{"out_trade_no": "A1", "pay_type": "802001", "txamt": "100", "txcurrcd": "HKD"}
	for i := range 1000 {
		fields["x"+strconv.Itoa(i)] = "1"
	}
	_, err := FromFields(fields)
	if n := len(err.(qfpay.FieldErrors)); n != 6 {
		t.Errorf("%d errors, want 6", n)
	}
	if !strings.Contains(err.Error(), "995 more unknown fields") {
		t.Errorf("does not say how many more: %v", err)
	}
}

func TestDecode_TheRightFieldsOfAWrongOrderAreKept(t *testing.T) {
	o, err := ParseOrder([]byte(`{` + good + `,"txamt":"x"}`))
	if err == nil || o.OutTradeNo != "A1" || o.PayType != qfpay.FPS {
		t.Errorf("%+v, %v", o, err)
	}
}

func TestValidate_DeadlinesThatCannotBeWrittenAreRefused(t *testing.T) {
	for name, deadline := range map[string]time.Time{
		"missing":         {},
		"year 10000":      time.Date(10000, 1, 1, 0, 0, 0, 0, time.UTC),
		"before our time": time.Date(-1, 1, 1, 0, 0, 0, 0, time.UTC),
	} {
		o := validOrder()
		o.Deadline = deadline
		if err := o.Validate(); err == nil || !strings.Contains(err.Error(), "deadline") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestOrder_EveryValidOrderSurvivesJSON(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		o := anyOrder(t)
		if err := o.Validate(); err != nil {
			t.Fatalf("the generator is wrong: %v", err)
		}
		b, err := json.Marshal(o)
		if err != nil {
			t.Fatal(err)
		}
		got, err := ParseOrder(b)
		if err != nil {
			t.Fatalf("%v\n%s", err, b)
		}
		if diff := cmp.Diff(o, got); diff != "" {
			t.Fatal(diff)
		}
	})
}

// anyOrder draws a valid order.
func anyOrder(t *rapid.T) Order {
	o := Order{
		Merchant: rapid.StringMatching(`[A-Za-z0-9_-]{1,64}`).Draw(t, "merchant"),
		Order: qfpay.Order{
			OutTradeNo: rapid.StringMatching(`[A-Za-z0-9_-]{1,32}`).Draw(t, "out_trade_no"),
			PayType:    rapid.SampledFrom(qfpay.PayTypes()).Draw(t, "pay_type"),
			TxAmt:      rapid.Int64Range(1, 1<<31-1).Draw(t, "txamt"),
			TxCurrCd:   "HKD",
			GoodsName:  rapid.StringMatching(`[A-Za-z0-9奶茶咖啡]{0,20}`).Draw(t, "goods_name"),
			UDID:       rapid.StringMatching(`[ -~]{0,40}`).Draw(t, "udid"),
			NotifyURL:  rapid.SampledFrom([]string{"", "https://shop.example/<n>?a=1&b=%20"}).Draw(t, "notify_url"),
		},
		Deadline: time.Unix(rapid.Int64Range(0, 1<<35).Draw(t, "deadline"), rapid.Int64Range(0, 1e9-1).Draw(t, "ns")).UTC(),
		Lane:     rapid.SampledFrom(Lanes()).Draw(t, "lane"),
	}
	if rapid.Bool().Draw(t, "txdtm") {
		o.TxDtm = qfpay.FormatDateTime(o.Deadline)
	}
	return o
}

// An accepted order is valid, and the same after it is written and read again; a rejected one
// has an error with a reason, and causes no panic.
func FuzzParseOrder(f *testing.F) {
	for _, seed := range []string{
		`{` + good + `,"txamt":100}`, `{` + good + `,"txamt":"100","deadline":"2026-03-01T12:00:00+08:00"}`,
		`{` + good + `,"txamt":1,"txamt":2,"x":{"y":[]}}`, ` null `, `[]`, `{`, "\xff", `{"a\ud800":"\udc00"}`,
		`{` + good + `,"txamt":-0,"expired_time":99999999999,"udid":"\u0000"}`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		o, err := ParseOrder(b)
		if err != nil {
			if err.Error() == "" {
				t.Error("rejected without a reason")
			}
			return
		}
		o = o.WithDefaults(time.Unix(1, 0))
		if err := o.Validate(); err != nil {
			t.Fatalf("accepted but not valid: %v", err)
		}
		again, err := json.Marshal(o)
		if err != nil {
			t.Fatal(err)
		}
		back, err := ParseOrder(again)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(o, back); diff != "" {
			t.Fatal(diff)
		}
	})
}

func TestID_AnIDNeedsAMerchantAndANumber(t *testing.T) {
	for _, c := range []struct{ merchant, outTradeNo, id, wrong string }{
		{"", "A1", "default:A1", ""},
		{"eu", "A-1_b", "eu:A-1_b", ""},
		{"eu", strings.Repeat("x", qfpay.MaxOutTradeNo), "eu:" + strings.Repeat("x", qfpay.MaxOutTradeNo), ""},
		{"eu", strings.Repeat("x", qfpay.MaxOutTradeNo+1), "", "out_trade_no"},
		{"", "", "", "out_trade_no"},
		{"", "A 1", "", "out_trade_no"},
		{"a:b", "A1", "", "merchant"}, // would be the key of another order
		{"{eu}", "A1", "", "merchant"},
	} {
		id, err := ID(c.merchant, c.outTradeNo)
		if id != c.id || (err == nil) != (c.wrong == "") || err != nil && !strings.HasPrefix(err.Error(), c.wrong+":") {
			t.Errorf("%q %q: %q, %v", c.merchant, c.outTradeNo, id, err)
		}
	}
}
