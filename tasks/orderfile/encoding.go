package orderfile

import (
	"strings"
	"unicode/utf8"

	"golang.org/x/text/encoding"
	"golang.org/x/text/encoding/charmap"
	"golang.org/x/text/encoding/simplifiedchinese"
	"golang.org/x/text/encoding/traditionalchinese"
	"golang.org/x/text/encoding/unicode"
	"golang.org/x/text/transform"
)

// Encoding is how the text of a file is written as bytes.
type Encoding string

// The encodings that a file may have. Files in UTF-16 are recognised without being told.
const (
	UTF8        Encoding = "utf-8"
	Big5        Encoding = "big5"
	GB18030     Encoding = "gb18030"
	Windows1252 Encoding = "windows-1252"
)

// Encodings returns the encodings, the default first.
func Encodings() []Encoding { return []Encoding{UTF8, Big5, GB18030, Windows1252} }

// otherNames are what programs call these encodings, or a part of them, without hyphens and underscores.
var otherNames = map[string]Encoding{
	"utf8":      UTF8,
	"big5hkscs": Big5,
	"cp950":     Big5,
	"gbk":       GB18030,
	"gb2312":    GB18030,
	"cp936":     GB18030,
	"cp1252":    Windows1252,
	"latin1":    Windows1252,
	"iso88591":  Windows1252,
}

// EncodingOf returns the encoding with a name, in any case and with or without hyphens, or "".
func EncodingOf(name string) Encoding {
	plain := strings.NewReplacer("-", "", "_", "", " ", "")
	name = strings.ToLower(plain.Replace(name))
	for _, e := range Encodings() {
		if name == plain.Replace(string(e)) {
			return e
		}
	}
	return otherNames[name]
}

// EncodingError means that a row is not text in the encoding of the file.
type EncodingError struct{ Encoding Encoding }

// Error implements error.
func (e *EncodingError) Error() string { return "is not " + strings.ToUpper(string(e.Encoding)) }

// tables returns the conversion of the encoding, or nil for UTF-8.
func (e Encoding) tables() encoding.Encoding {
	switch e {
	case Big5:
		return traditionalchinese.Big5
	case GB18030:
		return simplifiedchinese.GB18030
	case Windows1252:
		return charmap.Windows1252
	}
	return nil
}

// decode returns the text of bytes, or an [*EncodingError]. In none of the encodings is a byte of an end
// of line or of a quote part of another character, so a file is cut into rows before that.
func (e Encoding) decode(b []byte) ([]byte, error) {
	tables := e.tables()
	if tables == nil {
		if !utf8.Valid(b) {
			return nil, &EncodingError{e}
		}
		return b, nil
	}
	text, err := tables.NewDecoder().Bytes(b)
	if err != nil || strings.ContainsRune(string(text), utf8.RuneError) {
		return nil, &EncodingError{e}
	}
	return text, nil
}

// encode returns the bytes of a text. What the encoding does not have becomes a question mark.
func (e Encoding) encode(text string) []byte {
	tables := e.tables()
	if tables == nil {
		return []byte(text)
	}
	var out []byte
	for _, r := range text {
		b, err := tables.NewEncoder().Bytes([]byte(string(r)))
		if err != nil {
			b = []byte{'?'}
		}
		out = append(out, b...)
	}
	return out
}

// wide returns what converts a file that begins with start to UTF-8, or nil if it is not UTF-16.
// Without a byte order mark, a NUL beside the first character shows it.
func wide(start []byte) transform.Transformer {
	if len(start) < 2 {
		return nil
	}
	order := unicode.LittleEndian
	switch a, b := start[0], start[1]; {
	case a == 0xFF && b == 0xFE || a != 0 && b == 0:
	case a == 0xFE && b == 0xFF || a == 0 && b != 0:
		order = unicode.BigEndian
	default:
		return nil
	}
	return unicode.UTF16(order, unicode.UseBOM).NewDecoder()
}

// guess returns the encoding that rows which are not UTF-8 are probably in.
//
// In Western text, bytes from 0x80 stand alone between letters; in Chinese text most have such a
// neighbour. Of the two Chinese encodings it is the one in which more pairs of bytes are common
// characters: these have their first byte from A4 to C6 in Big5, from B0 to D7 in GB18030.
func guess(rows []byte) Encoding {
	var high, neighbours int
	for i, b := range rows {
		if b < 0x80 {
			continue
		}
		high++
		if i > 0 && rows[i-1] >= 0x80 || i+1 < len(rows) && rows[i+1] >= 0x80 {
			neighbours++
		}
	}
	_, notBig5 := Big5.decode(rows)
	_, notGB := GB18030.decode(rows)
	if 2*neighbours < high || notBig5 != nil && notGB != nil {
		return Windows1252
	}
	big5 := commonPairs(rows, 0xA4, 0xC6, 0x40)
	gb := commonPairs(rows, 0xB0, 0xD7, 0xA1)
	if notBig5 != nil || notGB == nil && gb >= big5 {
		return GB18030
	}
	return Big5
}

// commonPairs counts the pairs whose first byte is in a range, and the second at least low.
func commonPairs(text []byte, from, to, low byte) (n int) {
	for i := 0; i+1 < len(text); i++ {
		if text[i] < 0x80 {
			continue
		}
		if text[i] >= from && text[i] <= to && text[i+1] >= low {
			n++
		}
		i++
	}
	return n
}
