package tasks

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
	"github.com/redis/go-redis/v9"
	"github.com/santhosh-tekuri/jsonschema/v6"
	"pgregory.net/rapid"

	"github.com/qfpay-worker/qfpay-worker/qfpay"
)

// compiled compiles a schema.
func compiled(t testing.TB, text string) *jsonschema.Schema {
	t.Helper()
	document, err := jsonschema.UnmarshalJSON(strings.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	compiler := jsonschema.NewCompiler()
	if err := compiler.AddResource("schema.json", document); err != nil {
		t.Fatal(err)
	}
	schema, err := compiler.Compile("schema.json") // also checks it against the schema of the dialect
	if err != nil {
		t.Fatal(err)
	}
	return schema
}

// allows returns nil if a schema accepts a JSON text.
func allows(t interface{ Fatalf(string, ...any) }, schema *jsonschema.Schema, text string) error {
	value, err := jsonschema.UnmarshalJSON(strings.NewReader(text))
	if err != nil {
		t.Fatalf("%v: %s", err, text)
	}
	return schema.Validate(value)
}

// document is the part of a schema that the tests read.
type document struct {
	Properties map[string]struct {
		Enum    []any
		Pattern string
	}
	Required             []string
	AdditionalProperties *bool
	Examples             []json.RawMessage
}

func documentOf(t *testing.T, text string) document {
	t.Helper()
	var d document
	if err := json.Unmarshal([]byte(text), &d); err != nil {
		t.Fatal(err)
	}
	return d
}

// jsonFields returns the sorted JSON names of a struct, including those of embedded structs.
func jsonFields(of reflect.Type) []string {
	var names []string
	for i := range of.NumField() {
		f := of.Field(i)
		if f.Anonymous {
			names = append(names, jsonFields(f.Type)...)
			continue
		}
		if name, _, _ := strings.Cut(f.Tag.Get("json"), ","); name != "-" {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

func TestSchema_TheFieldsAreThoseOfTheTypesAndNoOthers(t *testing.T) {
	order, result, payment := documentOf(t, OrderSchema()), documentOf(t, ResultSchema()), documentOf(t, PaymentSchema())
	for _, c := range []struct {
		name      string
		want, got []string
	}{
		{"an order", jsonFields(reflect.TypeFor[Order]()), slices.Sorted(maps.Keys(order.Properties))},
		{"an order, as it is read", slices.Sorted(slices.Values(Fields())), slices.Sorted(maps.Keys(order.Properties))},
		{"an order, required", RequiredFields(), order.Required},
		{"a result", jsonFields(reflect.TypeFor[Result]()), slices.Sorted(maps.Keys(result.Properties))},
		{"a result, required", jsonFields(reflect.TypeFor[Result]()), slices.Sorted(slices.Values(append(result.Required, laterFields...)))},
		{"a payment", jsonFields(reflect.TypeFor[Payment]()), slices.Sorted(maps.Keys(payment.Properties))},
		{"a payment, required", jsonFields(reflect.TypeFor[Payment]()), slices.Sorted(slices.Values(payment.Required))},
	} {
		if diff := cmp.Diff(c.want, c.got); diff != "" {
			t.Errorf("%s (-type +schema):\n%s", c.name, diff)
		}
	}
	if order.AdditionalProperties == nil || *order.AdditionalProperties {
		t.Error("an order may have unknown fields")
	}
}

func TestSchema_TheWordsAreThoseOfTheTypes(t *testing.T) {
	order, result, payment := documentOf(t, OrderSchema()), documentOf(t, ResultSchema()), documentOf(t, PaymentSchema())
	for _, c := range []struct{ name, want, got string }{
		{"pay types", fmt.Sprint(qfpay.PayTypes()), fmt.Sprint(order.Properties["pay_type"].Enum)},
		{"lanes", fmt.Sprint(append([]any{nil, ""}, Interactive, Bulk)), fmt.Sprint(order.Properties["lane"].Enum)},
		{"outcomes", fmt.Sprint(Outcomes()), fmt.Sprint(result.Properties["outcome"].Enum)},
		{"events", fmt.Sprint(PaymentEvents()), fmt.Sprint(payment.Properties["event"].Enum)},
	} {
		if c.want != c.got {
			t.Errorf("%s: %s, the schema has %s", c.name, c.want, c.got)
		}
	}
}

func TestSchema_TheExamplesAreOrders(t *testing.T) {
	schema := compiled(t, OrderSchema())
	examples := documentOf(t, OrderSchema()).Examples
	if len(examples) == 0 {
		t.Fatal("there is none")
	}
	for _, e := range examples {
		if _, err := ParseOrder(e); err != nil {
			t.Errorf("%v: %s", err, e)
		}
		if err := allows(t, schema, string(e)); err != nil {
			t.Errorf("%v: %s", err, e)
		}
	}
}

// These are the only differences between the schema and ParseOrder; the description of the
// schema lists each. beyondSchema reports whether an order has one of them.
func TestSchema_ParseOrderRefusesOrdersThatTheSchemaCannotRuleOut(t *testing.T) {
	schema := compiled(t, OrderSchema())
	for _, c := range []struct{ named, order string }{
		{"a goods_name of more than 256 bytes", `{` + good + `,"txamt":1,"goods_name":"` + strings.Repeat("𠀀", 65) + `"}`},
		{"even 1.0", `{` + good + `,"txamt":1.0}`},
		{"or 1e2", `{` + good + `,"txamt":1e2}`},
		{"a repeated key", `{` + good + `,"txamt":1,"txamt":1}`},
		{"more than 65536 bytes", `{` + good + `,"txamt":1` + strings.Repeat(" ", MaxOrderBytes) + `}`},
		{"converted to UTC, is not in the years 1 to 9999", `{` + good + `,"txamt":1,"deadline":"9999-12-31T23:59:59-01:00"}`},
		{"converted to UTC, is not in the years 1 to 9999", `{` + good + `,"txamt":1,"deadline":"0000-06-01T00:00:00Z"}`},
		{"is not an IPv6 address", `{` + good + `,"txamt":1,"notify_url":"http://[1:2]/"}`},
	} {
		if _, err := ParseOrder([]byte(c.order)); err == nil {
			t.Errorf("accepted: %.200s", c.order)
		}
		if err := allows(t, schema, c.order); err != nil {
			t.Errorf("the schema can express it: %v", err)
		}
		if !strings.Contains(OrderSchema(), c.named) {
			t.Errorf("the description does not say %q", c.named)
		}
	}
}

// beyondSchema reports whether an order has something that the schema cannot express.
func beyondSchema(fields map[string]string) bool {
	var goods, deadline, url string
	json.Unmarshal([]byte(fields["goods_name"]), &goods)
	json.Unmarshal([]byte(fields["deadline"]), &deadline)
	json.Unmarshal([]byte(fields["notify_url"]), &url)
	at, err := time.Parse(time.RFC3339, deadline)
	year := at.UTC().Year()
	return len(goods) > 256 && utf8.RuneCountInString(goods) <= 256 ||
		err == nil && (year < 1 || year > 9999) ||
		strings.Contains(url, "://[") ||
		strings.ContainsAny(strings.Trim(fields["txamt"], `"`), ".eE") ||
		strings.ContainsAny(strings.Trim(fields["expired_time"], `"`), ".eE")
}

func inQuotes(s string) string {
	b, _ := json.Marshal(s)
	return string(b)
}

// texts draws a JSON string of one of the patterns.
func texts(patterns ...string) *rapid.Generator[string] {
	all := make([]*rapid.Generator[string], len(patterns))
	for i, p := range patterns {
		all[i] = rapid.Map(rapid.StringMatching(p), inQuotes)
	}
	return rapid.OneOf(all...)
}

// wild has values for each field that are right, and some that are almost right.
var wild = map[string]*rapid.Generator[string]{
	"merchant":     texts(`[A-Za-z0-9_-]{1,64}`, `[a:{} é]{0,3}`, `a{64,66}`),
	"out_trade_no": texts(`[A-Za-z0-9_-]{1,32}`, `[a|* é\n]{0,3}`, `a{122,126}`),
	"pay_type":     rapid.OneOf(rapid.SampledFrom([]string{`"800101"`, `"801501"`, `"800201"`, `"805801"`, `"800701"`, `"802001"`, `"803701"`}), texts(`80[0-9]{4}`)),
	"txamt": rapid.OneOf(texts(`-?0{0,3}[0-9]{1,10}`, `214748364[0-9]`, `[+ ]?[0-9]x?`), rapid.StringMatching(`-?[1-9][0-9]{0,10}`),
		rapid.SampledFrom([]string{"0", "-0", "2147483647", "2147483648", "1.5", "1.0", "1e2"})),
	"txcurrcd":   texts(`HKD`, `USD|JPY|CNY|AED|EUR`, `hkd|QQQ|HKDD`),
	"goods_name": texts(`[A-Za-z0-9奶茶]{0,20}`, `[a奶 ★\n𠀀]{0,22}`, `a{254,258}`),
	"expired_time": rapid.OneOf(texts(`0{0,2}[0-9]{1,3}`, `-[0-9]`, `[ +]9`), rapid.StringMatching(`-?[1-9][0-9]{0,2}`),
		rapid.SampledFrom([]string{"0", "4", "5", "120", "121", "5.0", "99999999999"})),
	"limit_pay": texts(`no_credit`, `credit|NO_CREDIT`),
	"pay_tag":   texts(`ALIPAY(HK|CN)`, `alipayhk`),
	"udid":      texts(`[ -~]{0,40}`, `[a\n\x00é]{0,3}`, `a{39,42}`),
	"notify_url": texts(`https?://[a-z]{1,5}(\.example)?(:80|:443|:)?(/[a-z/%]{0,4})?(\?[ -~]{0,4})?(#[!-~]{0,4})?`,
		`(http|HTTPS|ftp)?:?/?/?[ -~]{0,9}`, `https?://[a-z%2\[\]:@.<>|\\^]{0,6}(:[0-9]{0,3})?(/[!-~]{0,5})?`, `http://a/b{243,248}`),
	"rmb_tag":  texts(`Y`, `y|N`),
	"txdtm":    texts(`20(24|25)-(0|1)[0-9]-[0-3][0-9] [0-2][0-9]:[0-6][0-9]:[0-6][0-9]`, `(1900|2000|2023|2024)-02-(28|29|30) 00:00:00`, `[0-9 :-]{0,19}`),
	"deadline": texts(`20(24|25)-(0|1)[0-9]-[0-3][0-9]T[0-2][0-9]:[0-6][0-9]:[0-6][0-9](\.[0-9]{1,12})?(Z|[+-][0-2][0-9]:[0-6][0-9])`, `(1900|2000|2023|2024)-02-(28|29|30)T00:00:00Z`, `[0-9TZ:+-]{0,25}`),
	"lane":     texts(`bulk|interactive`, `fast|Bulk`),
}

// odd are values that are wrong in almost every field, or right in all.
var odd = rapid.SampledFrom([]string{`null`, `""`, `true`, `["x"]`, `{"x":1}`, `7`, `"\ufffd"`, `" "`})

// wildOrder draws an order that may be valid, field by field as JSON.
func wildOrder(t *rapid.T) map[string]string {
	fields := map[string]string{
		"out_trade_no": `"A1"`, "txamt": "100", "txcurrcd": `"HKD"`,
		"pay_type": inQuotes(string(rapid.SampledFrom(qfpay.PayTypes()).Draw(t, "base"))),
	}
	names := append(Fields(), "Lane", "amount")
	for _, name := range rapid.SliceOfNDistinct(rapid.SampledFrom(names), 0, 5, rapid.ID).Draw(t, "changed") {
		value := odd
		if of := wild[name]; of != nil && rapid.IntRange(0, 9).Draw(t, "odd") > 0 {
			value = of
		}
		if rapid.IntRange(0, 19).Draw(t, "absent") == 0 {
			delete(fields, name)
		} else {
			fields[name] = value.Draw(t, name)
		}
	}
	return fields
}

// rendered writes fields as a JSON object.
func rendered(fields map[string]string) string {
	members := make([]string, 0, len(fields))
	for _, name := range slices.Sorted(maps.Keys(fields)) {
		members = append(members, inQuotes(name)+":"+fields[name])
	}
	return "{" + strings.Join(members, ",") + "}"
}

func TestSchema_ParseOrderAcceptsTheSameOrders(t *testing.T) {
	schema := compiled(t, OrderSchema())
	accepted, rejected := 0, 0
	rapid.Check(t, func(t *rapid.T) {
		fields := wildOrder(t)
		if beyondSchema(fields) {
			return
		}
		text := rendered(fields)
		_, err := ParseOrder([]byte(text))
		says := allows(t, schema, text)
		if (err == nil) != (says == nil) {
			t.Fatalf("%s\nParseOrder: %v\nschema: %v", text, err, says)
		}
		if err == nil {
			accepted++
		} else {
			rejected++
		}
	})
	if accepted == 0 || rejected == 0 {
		t.Errorf("%d accepted, %d rejected: the generator finds only one kind", accepted, rejected)
	}
}

func TestSchema_EveryOrderThatIsWrittenIsValid(t *testing.T) {
	schema := compiled(t, OrderSchema())
	rapid.Check(t, func(t *rapid.T) {
		b, err := json.Marshal(anyOrder(t))
		if err != nil {
			t.Fatal(err)
		}
		if err := allows(t, schema, string(b)); err != nil {
			t.Fatalf("%v: %s", err, b)
		}
	})
}

func TestSchema_ParseResultAcceptsTheSameResults(t *testing.T) {
	var names []string
	for _, f := range resultFields {
		names = append(names, f.name)
	}
	parsesWhatTheSchemaAllows(t, ResultSchema(), names, "outcome", []string{"created", "rejected", "expired", "unresolved", "paid", ""},
		func(m redis.XMessage) error { _, err := ParseResult(m); return err })
}

func TestSchema_ParsePaymentAcceptsTheSamePayments(t *testing.T) {
	var names []string
	for _, f := range paymentFields {
		names = append(names, f.name)
	}
	parsesWhatTheSchemaAllows(t, PaymentSchema(), names, "event", []string{"paid", "expired", "closed", "refunded", "paid_twice", "created", ""},
		func(m redis.XMessage) error { _, err := ParsePayment(m); return err })
}

// parsesWhatTheSchemaAllows compares a parser of entries with their schema. One field has words of its own.
func parsesWhatTheSchemaAllows(t *testing.T, text string, fields []string, word string, words []string, parse func(redis.XMessage) error) {
	t.Helper()
	schema := compiled(t, text)
	rapid.Check(t, func(t *rapid.T) {
		values := map[string]any{}
		for _, f := range fields {
			values[f] = rapid.SampledFrom([]string{"", "x", "1", "created"}).Draw(t, f)
		}
		values["v"] = rapid.SampledFrom([]string{"1", "1", "1", "2", ""}).Draw(t, "v")
		values[word] = rapid.SampledFrom(words).Draw(t, word)
		if rapid.IntRange(0, 4).Draw(t, "less") == 0 {
			delete(values, rapid.SampledFrom(fields).Draw(t, "left out"))
		}
		if rapid.Bool().Draw(t, "more") {
			values["new_field"] = "x"
		}
		b, err := json.Marshal(values)
		if err != nil {
			t.Fatal(err)
		}
		err = parse(redis.XMessage{ID: "1-0", Values: values})
		if says := allows(t, schema, string(b)); (err == nil) != (says == nil) {
			t.Fatalf("%s\nparsed: %v\nschema: %v", b, err, says)
		}
	})
}

// These orders are used in the tests of every entry point.
func TestSchema_TheOrdersAtTheDoorsAreJudgedAsTheDoorsJudgeThem(t *testing.T) {
	schema := compiled(t, OrderSchema())
	for _, order := range lineList(t, "testdata/doors/good.ndjson") {
		if err := allows(t, schema, order); err != nil {
			t.Errorf("%v: %s", err, order)
		}
	}
	cannotSay := 0
	for _, line := range lineList(t, "testdata/doors/bad.ndjson") {
		var bad struct{ Order string }
		if err := json.Unmarshal([]byte(line), &bad); err != nil {
			t.Fatal(err)
		}
		if json.Valid([]byte(bad.Order)) && allows(t, schema, bad.Order) == nil {
			cannotSay++
		}
	}
	// 1e2, 1.0, more than 256 bytes, a key twice, and a not_before that is too late or too far ahead.
	if cannotSay != 6 {
		t.Errorf("%d bad orders are good under the schema, want 6", cannotSay)
	}
}

func lineList(t *testing.T, file string) []string {
	t.Helper()
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return strings.Split(strings.TrimSpace(string(b)), "\n")
}
