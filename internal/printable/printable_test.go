package printable

import (
	"encoding/json"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"
)

func TestString_EscapesWhatATerminalObeysAndKeepsTheRest(t *testing.T) {
	for text, want := range map[string]string{
		"珍珠奶茶 café €5 🧋":            "珍珠奶茶 café €5 🧋",
		"weixin://wxpay/x?pr=1&a=b": "weixin://wxpay/x?pr=1&a=b",
		"全\u3000形\u00a0x":           "全\u3000形\u00a0x", // spaces of other widths
		"\x1b[2Jx\r\n":              `\u001b[2Jx\u000d\u000a`,
		"\u009b31m\x7f\x00\t":       `\u009b31m\u007f\u0000\u0009`,
		"pay\u202egnp.exe":          `pay\u202egnp.exe`, // right to left
		"\u2066a\u2069\u200f\u061c": `\u2066a\u2069\u200f\u061c`,
		"a\u200bb\ufeff\u2028":      `a\u200bb\ufeff\u2028`,
		"\U000e0041":                `\udb40\udc41`, // a tag: two units of UTF-16
		"a\xffb\ufffd":              `a\ufffdb\ufffd`,
		`C:\u202e`:                  `C:\u202e`,
	} {
		if got := String(text); got != want {
			t.Errorf("%q: got %s, want %s", text, got, want)
		}
	}
}

func TestWriter_KeepsLinesAndCountsWhatItTook(t *testing.T) {
	var out strings.Builder
	n, err := Writer(&out).Write([]byte("a\x1b\n\nb\r\n\u202ec"))
	if want := "a\\u001b\n\nb\\u000d\n\\u202ec"; out.String() != want || n != 11 || err != nil {
		t.Errorf("%q, %d, %v, want %q", out.String(), n, err, want)
	}
}

// Whatever comes, what is shown is printable, is not escaped twice, and as JSON means the same.
func FuzzString(f *testing.F) {
	f.Add("javascript:alert(1)\u202e\x1b]0;x\a")
	f.Add("\xc3\x28\U0001f9cb\U000e0041")
	f.Fuzz(func(t *testing.T, s string) {
		got := String(s)
		if !utf8.ValidString(got) || strings.ContainsFunc(got, func(r rune) bool { return !unicode.IsGraphic(r) }) {
			t.Errorf("%q is shown as %q", s, got)
		}
		if again := String(got); again != got {
			t.Errorf("%q is shown as %q, and that as %q", s, got, again)
		}
		plain, err := json.Marshal(s)
		if err != nil {
			t.Fatal(err)
		}
		var before, after string
		if json.Unmarshal(plain, &before) != nil || json.Unmarshal([]byte(String(string(plain))), &after) != nil || before != after {
			t.Errorf("as JSON, %q becomes %q", before, after)
		}
	})
}
