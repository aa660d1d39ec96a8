// Package printable shows text from outside on terminals, in tables and in logs. Such text may
// hold characters that a terminal obeys, or that turn the order of the text around them.
package printable

import (
	"bytes"
	"io"
	"strings"
	"unicode"
	"unicode/utf16"
	"unicode/utf8"
)

// String returns s with every character that has no picture of its own as an escape: controls,
// marks of direction, characters without width, and bytes that are not UTF-8 (\ufffd). The escapes
// are those of JSON, so that a JSON text stays valid and keeps its value.
func String(s string) string {
	if strings.IndexFunc(s, hidden) < 0 {
		return s
	}
	var out strings.Builder
	for _, r := range s {
		if hidden(r) {
			escape(&out, r)
		} else {
			out.WriteRune(r)
		}
	}
	return out.String()
}

// hidden also holds for U+FFFD, so that bytes that are not UTF-8 are seen.
func hidden(r rune) bool { return r == utf8.RuneError || !unicode.IsGraphic(r) }

func escape(out *strings.Builder, r rune) {
	if high, low := utf16.EncodeRune(r); high != unicode.ReplacementChar {
		escape(out, high)
		r = low
	}
	const digits = "0123456789abcdef"
	out.WriteString(`\u`)
	for shift := 12; shift >= 0; shift -= 4 {
		out.WriteByte(digits[r>>shift&0xf])
	}
}

// Writer returns a writer of lines to w, of which it escapes everything but the line feeds, as
// [String] does. A character must not be split between two writes.
func Writer(w io.Writer) io.Writer { return writer{w} }

type writer struct{ w io.Writer }

// Write implements [io.Writer].
func (p writer) Write(text []byte) (int, error) {
	var out bytes.Buffer
	for line := range bytes.Lines(text) {
		body, ended := bytes.CutSuffix(line, []byte("\n"))
		out.WriteString(String(string(body)))
		if ended {
			out.WriteByte('\n')
		}
	}
	if _, err := p.w.Write(out.Bytes()); err != nil {
		return 0, err
	}
	return len(text), nil
}
