package simulator

import (
	"fmt"
	"strconv"
	"strings"
	"unicode"
)

// member returns a change of one member, wherever it stands: in the answer, and in the rows of a
// query.
func member(name string, change func(any) any) func(object) object {
	var everywhere func(object) object
	everywhere = func(o object) object {
		for i := range o {
			if rows, ok := o[i].value.([]object); ok {
				for _, row := range rows {
					everywhere(row)
				}
			}
			if o[i].name == name {
				o[i].value = change(o[i].value)
			}
		}
		return o
	}
	return everywhere
}

// rename returns a change of a member's name.
func rename(name, to string) func(object) object {
	return func(o object) object {
		for i := range o {
			if o[i].name == name {
				o[i].name = to
			}
		}
		return o
	}
}

// drop returns a change that leaves a member out.
func drop(name string) func(object) object {
	return func(o object) object { return without(o, name) }
}

func always(value any) func(any) any { return func(any) any { return value } }

// onText applies a change to texts only.
func onText(value any, change func(string) any) any {
	if s, ok := value.(string); ok {
		return change(s)
	}
	return value
}

func bare(v any) any  { return onText(v, func(s string) any { return raw(s) }) }
func float(v any) any { return onText(v, func(s string) any { return raw(s + ".0") }) }
func zeros(v any) any {
	return onText(v, func(s string) any { return strings.Repeat("0", max(0, 12-len(s))) + s })
}
func lower(v any) any   { return onText(v, func(s string) any { return strings.ToLower(s) }) }
func newline(v any) any { return onText(v, func(s string) any { return s + "\n" }) }
func another(v any) any { return onText(v, func(s string) any { return s + "0" }) }

// major is an amount in the major unit. It takes every currency for one with two decimals.
func major(v any) any {
	return onText(v, func(s string) any {
		n, err := strconv.ParseInt(s, 10, 64)
		if err != nil {
			return s
		}
		return fmt.Sprintf("%d.%02d", n/100, n%100)
	})
}

// currencyNumbers are the numeric codes of ISO 4217.
var currencyNumbers = map[string]string{"AED": "784", "AUD": "036", "CAD": "124", "CNY": "156", "EUR": "978", "HKD": "344",
	"IDR": "360", "JPY": "392", "MMK": "104", "MYR": "458", "SGD": "702", "THB": "764", "USD": "840"}

func currencyNumber(v any) any {
	return onText(v, func(s string) any {
		if n, ok := currencyNumbers[s]; ok {
			return n
		}
		return s
	})
}

func otherCase(v any) any {
	return onText(v, func(s string) any {
		return strings.Map(func(r rune) rune {
			if unicode.IsUpper(r) {
				return unicode.ToLower(r)
			}
			return unicode.ToUpper(r)
		}, s)
	})
}

// firstRow returns the first row of a list, or an empty object.
func firstRow(v any) any {
	if rows, ok := v.([]object); ok && len(rows) > 0 {
		return rows[0]
	}
	return object{}
}

func pagesAsText(o object) object {
	text := func(v any) any {
		if n, ok := v.(int); ok {
			return strconv.Itoa(n)
		}
		return v
	}
	return member("page", text)(member("page_size", text)(o))
}
