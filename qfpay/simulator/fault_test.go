package simulator

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/qfpay-worker/qfpay-worker/qfpay"
)

func TestFault_FaultsAreParsedAndWrongOnesNamed(t *testing.T) {
	for _, test := range []struct {
		args string
		err  string // what the error names; "": none
	}{
		{"", ""},
		{"reset=0.02 http_502_after=0.01 respcd_1205=0.05", ""},
		{"payment.respcd_1298_live=1 query.http_503=1", ""},
		{"notify_twice=1 notify_late=1 drop=1", ""},
		{"reset", "reset"},
		{"reset=often", "often"},
		{"reset=1.1", "reset"},
		{"reset=-0.1", "reset"},
		{"reset=NaN", "reset"},
		{"rest=0.1", "rest_"}, // none of that name; and the list is there
		{"drop=0.1 drop=0.2", "twice"},
		{"drop=0.6 payment.reset=0.6", "payment"},
		{"respcd_1104@800101=1 respcd_2012@800201=1 drop=0.3", ""},
		{"respcd_1205_live_http_422:系统=1 http_307_after@A1*=1", ""},
		{"http_403@A1=0.6 http_403_after@A1=0.6", "payment"},
		{"http_403@[=1", "@"},
		{"http_403@=1", "http_403@"},
		{"query.code_url=1", "payment"},
		{"payment.data_null=1", "query"},
		{"http_200=1", "http_200"},
		{"http_304=1", "http_304"},
		{"status_200=1", "status_200"},
		{"status_20=1", "status_20"},
		{"respcd_1205_http_99=1", "respcd_1205_http_99"},
		{"respcd_1205:=1", "respcd_1205:"},
		{"http_502_before=1", "http_502_before"},
		{"http_502_=1", "http_502_"},
		{"respcd_0000=1", "respcd_0000"},
		{"respcd_12=1", "respcd_12"},
		{"respcd_1205_maybe=1", "respcd_1205_maybe"},
		{"elsewhere.drop=1", "elsewhere.drop"},
		{"payment.notify_late=1", "notify_late"},
	} {
		_, err := ParseFaults(strings.Fields(test.args)...)
		if (err == nil) != (test.err == "") {
			t.Errorf("%q: %v", test.args, err)
		}
		if err != nil && test.err != "rest_" && !strings.Contains(err.Error(), test.err) {
			t.Errorf("%q: the error does not name %s: %v", test.args, test.err, err)
		}
		if err != nil && test.err == "rest_" && !strings.Contains(err.Error(), "reset_after: ") {
			t.Errorf("%q: the error does not list the known ones: %v", test.args, err)
		}
	}
}

func FuzzParseFaults(f *testing.F) {
	for _, name := range everyName() {
		f.Add(string(name) + "@A*=0.5")
	}
	f.Fuzz(func(t *testing.T, arg string) {
		faults, err := ParseFaults(arg)
		if err == nil && len(faults) != 1 {
			t.Error(faults)
		}
		if err == nil {
			faults.compile()
		}
	})
}

// after returns the outcome of a create, and the state of the order at the gateway.
type after struct {
	answer string // respcd, HTTP status, or an error
	syssn  bool
	qrcode bool
	state  State
	done   bool
}

var right = after{"0000", true, true, Created, true} // also of faults that change the answer only

// faultsOfACreate are the outcomes of a create of order A1, for Alipay, with each fault.
var faultsOfACreate = map[Fault]after{
	"unreachable":                {"refused", false, false, "", false},
	"drop":                       {"EOF", false, false, "", false},
	"drop_after":                 {"EOF", false, false, Created, true},
	"reset":                      {"reset", false, false, "", false},
	"reset_after":                {"reset", false, false, Created, true},
	"land_late":                  {"timeout", false, false, "", false},
	"answer_late":                {"timeout", false, false, Created, true},
	"truncated":                  {"short", false, false, Created, true},
	"html":                       {"200", false, false, "", false},
	"html_after":                 {"200", false, false, Created, true},
	"empty_body":                 {"200", false, false, Created, true},
	"gzip":                       {"200", false, false, Created, true},
	"gzip_unsaid":                {"200", false, false, Created, true},
	"gzip_untrue":                right,
	"encoding_odd":               right,
	"bom":                        {"200", false, false, Created, true},
	"http_307":                   {"307", false, false, "", false},
	"http_502":                   {"502", false, false, "", false},
	"http_502_after":             {"502", false, false, Created, true},
	"http_403_after":             {"403", false, false, Created, true},
	"status_201":                 right,
	"respcd_1100":                {"1100", false, false, "", false},
	"respcd_1205":                {"1205", false, false, "", false},
	"respcd_1205_http_422":       {"1205", false, false, "", false},
	"respcd_1205_failed":         {"1205", true, false, Failed, true},
	"respcd_1205_live":           {"1205", true, false, Created, true},
	"respcd_1205_unsaid":         {"1205", false, false, Created, true},
	"respcd_1298_live":           {"1298", true, false, Created, true},
	"respcd_1252_unsaid":         {"1252", false, false, Created, true},
	"respcd_1251:订单号重复":          {"1251", false, false, "", false},
	"txamt_number":               right,
	"txamt_float":                right,
	"txamt_zeros":                right,
	"txamt_major":                right,
	"currency_lower":             right,
	"currency_number":            right,
	"number_case":                right,
	"respmsg_list":               right,
	"respmsg_false":              right,
	"chnlsn_false":               right,
	"sysdtm_object":              right,
	"no_qrcode":                  {"0000", true, false, Created, true},
	"code_url":                   {"0000", true, false, Created, true},
	"qrcode_newline":             right,
	"wrong_echo":                 right,
	"bad_signature":              right,
	"no_signature":               right,
	"reflected":                  {"0000", true, true, "", false},
	"reflected_after":            right,
	"stripped_after":             right,
	"outside_data":               right,
	"replayed":                   right, // there is no other answer
	"replayed_older":             right,
	"slow_visibility":            right,
	"notify_first":               {"0000", true, true, Paid, true},
	"query.drop":                 right,
	"payment.reset_after":        {"reset", false, false, Created, true},
	"reset@A1":                   {"reset", false, false, "", false},
	"reset@A*":                   {"reset", false, false, "", false},
	"reset@B*":                   right,
	"reset@800101":               {"reset", false, false, "", false},
	"reset@800201":               right,
	"payment.http_403_after@A1":  {"403", false, false, Created, true},
	"payment.http_403_after@A1_": right,
}

func TestFault_EveryFaultDoesAsItSays(t *testing.T) {
	t.Parallel()
	for fault, want := range faultsOfACreate {
		t.Run(string(fault), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				g := New(Config{Faults: Faults{fault: 1}})
				ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
				defer cancel()
				r, err := send(ctx, g, "payment", order("A1"))
				got := after{outcome(r, err), r.str("syssn") != "", r.str("qrcode") != "", state(g, "A1"), false}
				if calls := g.Calls(); len(calls) > 0 {
					got.done = calls[0].Done
				}
				if diff := cmp.Diff(want, got, cmp.AllowUnexported(after{})); diff != "" {
					t.Error(diff)
				}
			})
		})
	}
}

// outcome returns one word for the outcome of a call.
func outcome(r reply, err error) string {
	switch {
	case errors.Is(err, syscall.ECONNREFUSED):
		return "refused"
	case errors.Is(err, syscall.ECONNRESET):
		return "reset"
	case errors.Is(err, context.DeadlineExceeded):
		return "timeout"
	case errors.Is(err, io.ErrUnexpectedEOF):
		return "short"
	case errors.Is(err, io.EOF):
		return "EOF"
	case err != nil:
		return err.Error()
	case r.json == nil:
		return fmt.Sprint(r.status)
	}
	return r.str("respcd")
}

func TestFault_FaultsOfTheAnswerAreSeenInIt(t *testing.T) {
	g := still(Config{})
	use(t, g, "wrong_echo")
	if r := call(t, g, "payment", order("A1")); r.str("out_trade_no") == "A1" {
		t.Error("the echo is right")
	}
	use(t, g, "bad_signature")
	if r := call(t, g, "payment", order("A2")); r.header.Get("X-QF-SIGN") == qfpay.MD5.SignText([]byte(r.raw), SampleKey) {
		t.Error("the signature is right")
	}
	use(t, g, "no_signature")
	if r := call(t, g, "payment", order("A3")); r.header.Get("X-QF-SIGN") != "" {
		t.Error("there is a signature")
	}
	use(t, g, "slow_visibility")
	call(t, g, "payment", order("A4"))
	seen := func() int { return len(expect(t, g, "query", qfpay.Params{"out_trade_no": "A4"}, "0000").rows()) }
	if seen() != 0 {
		t.Error("seen at once")
	}
	g.Advance(15 * time.Second)
	if seen() != 1 {
		t.Error("not seen after Late")
	}
	if err := g.SetFaults(Faults{"nonsense": 1}); err == nil {
		t.Error("a fault that is none was taken")
	}
}

func TestFault_ALateOrderIsThereOnlyAfterItsCallerGaveUp(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		g := New(Config{Faults: Faults{"payment.land_late": 1}, Late: 20 * time.Second})
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		if _, err := send(ctx, g, "payment", order("A1")); !errors.Is(err, context.DeadlineExceeded) {
			t.Fatal(err)
		}
		time.Sleep(10*time.Second - 1)
		if n := len(expect(t, g, "query", qfpay.Params{"syssn": "0", "out_trade_no": "A1"}, "0000").rows()); n != 0 || state(g, "A1") != "" {
			t.Error("there before it was due")
		}
		landed := time.Now().Add(1)
		time.Sleep(time.Minute) // the call is processed meanwhile
		if orders := g.Orders(); len(orders) != 1 || !orders[0].Stored.Equal(landed) {
			t.Errorf("%+v, want one of %s", orders, landed)
		}
		if c := g.Calls()[0]; !c.Done || !c.Stored || c.Fault != "payment.land_late" || c.RespCd != "0000" {
			t.Errorf("%+v", c)
		}
	})
}

func TestFault_OneSeedMeansOneCourseOfEvents(t *testing.T) {
	faults := Faults{"drop": 0.2, "reset_after": 0.2, "payment.respcd_1205": 0.2, "http_502_after": 0.1}
	run := func(seed uint64) (course []Fault) {
		g := still(Config{Seed: seed, Faults: faults, PerSecond: NoLimit, PerMinute: NoLimit})
		for i := range 200 {
			_, _ = send(t.Context(), g, []string{"payment", "query"}[i%2], order(fmt.Sprint("n", i)))
			g.Pay(fmt.Sprint("n", i)) // shifts nothing
		}
		for _, c := range g.Calls() {
			course = append(course, c.Fault)
		}
		return course
	}
	first := run(7)
	if diff := cmp.Diff(first, run(7)); diff != "" {
		t.Error(diff)
	}
	if cmp.Equal(first, run(8)) {
		t.Error("another seed, and the same course")
	}
	count := map[Fault]int{}
	for _, f := range first {
		count[f]++
	}
	for f := range faults {
		if count[f] == 0 {
			t.Errorf("%s never happened", f)
		}
	}
}

func TestFault_ATestCanChooseTheFaultOfOneCall(t *testing.T) {
	g := still(Config{})
	creates := 0
	g.Choose(func(c Call) Fault {
		if c.Endpoint == "payment" {
			creates++
			if creates == 2 {
				return "drop_after"
			}
		}
		return ""
	})
	for i, want := range []string{"0000", "EOF", "0000"} {
		if got := outcome(send(t.Context(), g, "payment", order(fmt.Sprint("n", i)))); got != want {
			t.Errorf("call %d: %s", i, got)
		}
	}
	g.Choose(nil)
}

func TestFault_ACallOverTheLimitMeetsNone(t *testing.T) {
	g := still(Config{PerSecond: 1, Faults: Faults{"drop_after": 1}})
	_, _ = send(t.Context(), g, "payment", order("A1"))
	if got := outcome(send(t.Context(), g, "payment", order("A2"))); got != "429" {
		t.Error(got)
	}
}

func TestConfig_AContradictionIsRefused(t *testing.T) {
	for _, test := range []struct {
		names  string
		config Config
	}{
		{"Merchants[0]", Config{Merchants: []Account{{AppCode: "a"}}}},
		{"Merchants[1]", Config{Merchants: []Account{{AppCode: "a", Key: "k"}, {AppCode: "a", Key: "k"}}}},
		{"Latency", Config{Latency: Latency{2, 1}}},
		{"Late", Config{Late: -1}},
		{"Duplicate", Config{Duplicate: "1103"}},
		{"Duplicate", Config{Duplicate: "110:used"}},
		{"RetryAfter", Config{RetryAfter: "soon"}},
		{"SignResponses", Config{SignResponses: "loudly"}},
		{"Expired", Config{Expired: "1143"}},
		{"nonsense", Config{Faults: Faults{"nonsense": 1}}},
	} {
		if err := test.config.Validate(); err == nil || !strings.Contains(err.Error(), test.names) {
			t.Errorf("%s: %v", test.names, err)
		}
	}
	if err := (Config{}).Validate(); err != nil {
		t.Error(err)
	}
}

func TestLatency_RangesAndSingleTimesAreRead(t *testing.T) {
	for text, want := range map[string]Latency{"50ms-300ms": {50 * time.Millisecond, 300 * time.Millisecond}, "1s": {time.Second, time.Second}, "0s": {}} {
		var got Latency
		if err := got.UnmarshalText([]byte(text)); err != nil || got != want {
			t.Errorf("%s: %v %v", text, got, err)
		}
	}
	for _, text := range []string{"", "5", "2s-1s", "-1s", "1s-", "1s-2s-3s"} {
		var got Latency
		if err := got.UnmarshalText([]byte(text)); err == nil {
			t.Errorf("%q was taken for %v", text, got)
		}
	}
}

// everyName returns the names of all faults of calls, with a number where one belongs.
func everyName() []Fault {
	all := []Fault{"http_307", "http_502_after", "status_201", "respcd_1205", "respcd_1205_failed", "respcd_1205_live",
		"respcd_1205_unsaid", "respcd_1205_http_422", "respcd_1251:\u8ba2\u5355\u53f7\u91cd\u590d"}
	for _, group := range faultTable {
		for _, f := range group.lines {
			all = append(all, f.name)
		}
	}
	return all
}
