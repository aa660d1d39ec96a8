package simulator

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// field is one member of a JSON object: a string, an int, rows, an object, raw JSON, or nil.
type field struct {
	name  string
	value any
}

// raw is JSON that is written as it is.
type raw string

// object is a JSON object whose members keep their order.
type object []field

// set replaces the value of a member, or appends it.
func (o object) set(name string, value any) object {
	for i := range o {
		if o[i].name == name {
			o[i].value = value
			return o
		}
	}
	return append(o, field{name, value})
}

func without(o object, name string) object {
	return slices.DeleteFunc(o, func(f field) bool { return f.name == name })
}

// String formats o like Python's json.dumps, as in QFPay's answers and notifications: a space
// after "," and ":", and only ASCII characters. The signature covers exactly these bytes.
func (o object) String() string {
	var b strings.Builder
	writeJSON(&b, o)
	return b.String()
}

func writeJSON(b *strings.Builder, value any) {
	switch v := value.(type) {
	case string:
		writeString(b, v)
	case int:
		b.WriteString(strconv.Itoa(v))
	case raw:
		b.WriteString(string(v))
	case object:
		b.WriteByte('{')
		for i, f := range v {
			comma(b, i)
			writeString(b, f.name)
			b.WriteString(": ")
			writeJSON(b, f.value)
		}
		b.WriteByte('}')
	case []object:
		b.WriteByte('[')
		for i, o := range v {
			comma(b, i)
			writeJSON(b, o)
		}
		b.WriteByte(']')
	default:
		b.WriteString("null")
	}
}

func comma(b *strings.Builder, i int) {
	if i > 0 {
		b.WriteString(", ")
	}
}

var shortEscapes = map[rune]string{'"': `\"`, '\\': `\\`, '\n': `\n`, '\r': `\r`, '\t': `\t`, '\b': `\b`, '\f': `\f`}

func writeString(b *strings.Builder, s string) {
	b.WriteByte('"')
	for _, r := range s {
		short, ok := shortEscapes[r]
		switch {
		case ok:
			b.WriteString(short)
		case r >= ' ' && r <= '~':
			b.WriteRune(r)
		case r > 0xFFFF:
			r -= 0x10000
			fmt.Fprintf(b, `\u%04x\u%04x`, 0xD800+r>>10, 0xDC00+r&0x3FF)
		default:
			fmt.Fprintf(b, `\u%04x`, r)
		}
	}
	b.WriteByte('"')
}
