package tasks

import (
	"encoding/json"
	"os"
	"reflect"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/redis/go-redis/v9"
	"pgregory.net/rapid"
)

// result1 is a result with a value in every field.
func result1() Result {
	return Result{
		V: "1", ID: "default:A1001", Merchant: "default", OutTradeNo: "A1001", IssuedAs: "A1001_2", Outcome: "created",
		Reason: "issued again", QRCode: "https://qr.alipay.com/bax1", Syssn: "20260301000200020012345678", RespCd: "0000",
		RespErr: "交易成功", RespMsg: "success", PayType: "801501", TxAmt: "1250", TxCurrCd: "HKD",
		TxDtm: "2026-03-01 12:00:00", SysDtm: "2026-03-01 12:00:01", ChnlSn: "x1", Attempts: "2", Lane: "bulk",
		EnqueuedAt: "2026-03-01T04:00:00.000Z", SettledAt: "2026-03-01T04:00:02.125Z", Response: `{"respcd":"0000"}`,
		Traceparent: aTraceparent,
	}
}

// message is the entry that Redis would return for these values.
func message(id string, values []any) redis.XMessage {
	m := redis.XMessage{ID: id, Values: map[string]any{}}
	for i := 0; i < len(values); i += 2 {
		m.Values[values[i].(string)] = values[i+1]
	}
	return m
}

// Programs of other teams read the fields of a result: a change of this file is a change of
// the contract.
func TestResult_TheFieldsAreThoseOfTheGoldenFile(t *testing.T) {
	golden, err := os.ReadFile("testdata/result.txt")
	if err != nil {
		t.Fatal(err)
	}
	var got strings.Builder
	for i, v := range result1().Values() {
		got.WriteString(v.(string) + []string{"=", "\n"}[i%2])
	}
	if diff := cmp.Diff(string(golden), got.String()); diff != "" {
		t.Errorf("(-golden +got):\n%s", diff)
	}
}

func TestResult_StreamAndJSONNameTheFieldsAlike(t *testing.T) {
	fields := reflect.TypeFor[Result]()
	if fields.NumField() != len(resultFields) {
		t.Fatalf("%d fields, %d in the stream", fields.NumField(), len(resultFields))
	}
	for i, f := range resultFields {
		if tag := fields.Field(i).Tag.Get("json"); tag != f.name {
			t.Errorf("field %d is %s in JSON and %s in the stream", i, tag, f.name)
		}
	}
}

func TestResult_EveryResultSurvivesTheStreamAndJSON(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		want := Result{}
		for _, f := range resultFields {
			*f.at(&want) = rapid.String().Draw(t, f.name)
		}
		want.V, want.Outcome = "1", string(rapid.SampledFrom(Outcomes()).Draw(t, "outcome"))
		got, err := ParseResult(message("1-0", want.Values()))
		if diff := cmp.Diff(want, got); diff != "" || err != nil {
			t.Fatal(err, diff)
		}
		b, err := json.Marshal(want)
		if err != nil {
			t.Fatal(err)
		}
		got = Result{}
		if err := json.Unmarshal(b, &got); err != nil || got != want {
			t.Fatalf("%v: %+v", err, got)
		}
	})
}

func TestResult_AnEntryThatIsNoResultIsRefused(t *testing.T) {
	with := func(name string, value any) redis.XMessage {
		m := message("1-0", result1().Values())
		if m.Values[name] = value; value == nil {
			delete(m.Values, name)
		}
		return m
	}
	for _, c := range []struct {
		name string
		m    redis.XMessage
		want string
	}{
		{"deleted", redis.XMessage{ID: "1-0"}, "deleted"},
		{"a field missing", with("syssn", nil), "syssn is missing"},
		{"a newer version", with("v", "2"), `v is "2"`},
		{"another outcome", with("outcome", "paid"), `unknown outcome "paid"`},
	} {
		if _, err := ParseResult(c.m); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q in it", c.name, err, c.want)
		}
	}
	before := result1()
	before.Traceparent = ""
	if got, err := ParseResult(with("traceparent", nil)); err != nil || got != before {
		t.Errorf("an entry without traceparent: %v", err)
	}
	if got, err := ParseResult(with("colour", "red")); err != nil || got != result1() {
		t.Errorf("an entry with an unknown field: %v", err)
	}
}

func TestResult_TheResultOfAnOrderHasItsID(t *testing.T) {
	if got := result1().OrderID(); got != validOrder().ID() || got != "default:A1001" {
		t.Error(got)
	}
}

func FuzzParseResult(f *testing.F) {
	f.Add("v", "2", 0)
	f.Add("outcome", "paid", 1)
	f.Add("syssn", "\xff", 23)
	f.Fuzz(func(t *testing.T, name, value string, drop int) {
		m := message("1-0", result1().Values())
		m.Values[name] = value
		if drop >= 0 && drop < len(resultFields) {
			delete(m.Values, resultFields[drop].name)
		}
		got, err := ParseResult(m)
		if err != nil {
			if got != (Result{}) {
				t.Error("a result beside an error")
			}
			return
		}
		back, err := ParseResult(message("1-0", got.Values()))
		if err != nil || back != got {
			t.Fatal(err, cmp.Diff(got, back))
		}
	})
}
