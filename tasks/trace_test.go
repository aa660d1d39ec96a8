package tasks

import (
	"maps"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/qfpay-worker/qfpay-worker/internal/redistest"
)

// aTraceparent is the example of W3C Trace Context.
const aTraceparent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"

// malformed are texts that are not a traceparent of level 1.
var malformed = map[string]string{
	"empty":               "",
	"of another version":  "01" + aTraceparent[2:],
	"of a forbidden one":  "ff" + aTraceparent[2:],
	"in upper case":       strings.ToUpper(aTraceparent),
	"no hexadecimal":      strings.Replace(aTraceparent, "f", "g", 1),
	"a trace of zeros":    "00-" + strings.Repeat("0", 32) + "-00f067aa0ba902b7-01",
	"a parent of zeros":   "00-4bf92f3577b34da6a3ce929d0e0e4736-" + strings.Repeat("0", 16) + "-01",
	"too short":           aTraceparent[:54],
	"with something more": aTraceparent + "-01",
	"with a space":        " " + aTraceparent,
	"another hyphen":      "00-4bf92f3577b34da6a3ce929d0e0e473600-f067aa0ba902b7-01",
	"no hyphens":          strings.ReplaceAll(aTraceparent, "-", "0"),
}

func TestTraceparent_MalformedTextsAreRefused(t *testing.T) {
	if !validTraceparent(aTraceparent) || !validTraceparent(aTraceparent[:53]+"00") {
		t.Error("a valid one is not accepted")
	}
	for name, s := range malformed {
		if validTraceparent(s) {
			t.Errorf("%s: %q is accepted", name, s)
		}
	}
}

// The rule of W3C, written in another way.
func FuzzTraceparent(f *testing.F) {
	form := regexp.MustCompile(`\A00-([0-9a-f]{32})-([0-9a-f]{16})-[0-9a-f]{2}\z`)
	f.Add(aTraceparent)
	for _, s := range malformed {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		m := form.FindStringSubmatch(s)
		want := m != nil && m[1] != strings.Repeat("0", 32) && m[2] != strings.Repeat("0", 16)
		if got := validTraceparent(s); got != want {
			t.Errorf("%q: %t, want %t", s, got, want)
		}
	})
}

// another returns a traceparent in which the last digit of the parent is n.
func another(n string) string { return aTraceparent[:51] + n + aTraceparent[52:] }

func TestTraceparent_TheJournalHasItAndTheOrderDoesNot(t *testing.T) {
	t.Parallel()
	rdb := redistest.Start(t).Client(t)
	p := NewProducer(rdb, keys)
	traced := func(outTradeNo, traceparent string) Order {
		o := numbered(outTradeNo)
		o.Traceparent = traceparent
		return o
	}
	accepted, err := p.EnqueueAll(t.Context(), []Order{numbered("A0"), traced("A1", another("1")), traced("A2", "x"), traced("A3", another("3")),
		traced("A3", another("4")), traced("A0", another("5"))}) // the last two are duplicates
	if err != nil {
		t.Fatal(err)
	}
	accepted = append(accepted, must(p.Enqueue(t.Context(), traced("A5", another("6")))), must(p.Enqueue(t.Context(), traced("A1", another("7")))))
	for _, a := range accepted {
		if a.Err != nil {
			t.Error(a.Err)
		}
	}
	for no, want := range map[string]string{"A0": "", "A1": another("1"), "A2": "", "A3": another("3"), "A5": another("6")} {
		journal := journalOf(t, rdb, "default:"+no)
		if journal["traceparent"] != want || strings.Contains(journal["order"], "traceparent") {
			t.Errorf("%s: want %q in %v", no, want, journal)
		}
		if diff := cmp.Diff([]string{"fingerprint", "lane", "order", "state"}, slices.Sorted(maps.Keys(journal))); want == "" && diff != "" {
			t.Errorf("%s is not traced (-want +got):\n%s", no, diff)
		}
	}
	if want := numbered("A1").Fingerprint(); traced("A1", another("1")).Fingerprint() != want {
		t.Error("a traceparent counts as content")
	}
	if err := p.AcceptInvalid(t.Context(), "default:A6", []byte("{}"), another("8")); err != nil {
		t.Error(err)
	}
	if got := journalOf(t, rdb, "default:A6")["traceparent"]; got != another("8") {
		t.Errorf("of an invalid order: %q", got)
	}
}

func TestTraceparent_ARequestHasItBesideTheOrder(t *testing.T) {
	payload := `{"out_trade_no":"A1","pay_type":"802001","txamt":100,"txcurrcd":"HKD"}`
	flat := []string{"out_trade_no", "A1", "pay_type", "802001", "txamt", "100", "txcurrcd", "HKD"}
	for name, c := range map[string]struct {
		fields []string
		want   string
	}{
		"beside JSON":          {[]string{"order", payload, "traceparent", aTraceparent}, aTraceparent},
		"before JSON":          {[]string{"traceparent", aTraceparent, "order", payload}, aTraceparent},
		"beside fields":        {append(slices.Clone(flat), "traceparent", aTraceparent), aTraceparent},
		"there twice":          {[]string{"traceparent", aTraceparent, "order", payload, "traceparent", aTraceparent}, ""},
		"empty":                {append(slices.Clone(flat), "traceparent", ""), ""},
		"longer than an order": {append(slices.Clone(flat), "traceparent", strings.Repeat("x", MaxOrderBytes)), strings.Repeat("x", MaxOrderBytes)},
		"not there":            {flat, ""},
	} {
		o, err := ParseRequest(c.fields)
		if err != nil || o.OutTradeNo != "A1" || o.Traceparent != c.want {
			t.Errorf("%s: %+v, %v", name, o, err)
		}
	}
	if _, err := ParseRequest([]string{"order", payload[:len(payload)-1] + `,"traceparent":"` + aTraceparent + `"}`}); err == nil {
		t.Error("it is accepted as a field of an order")
	}
	for _, fields := range [][]string{{"traceparent", "x", "order", payload}, {"order", payload}} {
		if got := RequestText(fields); got != payload {
			t.Errorf("the text of %q is %s", fields, got)
		}
	}
}
