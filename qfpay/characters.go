package qfpay

import (
	"strings"
	"unicode"
)

// all tells whether every rune of s is of the kind.
func all(s string, kind func(rune) bool) bool {
	return strings.IndexFunc(s, func(r rune) bool { return !kind(r) }) < 0
}

func isAlnum(r rune) bool {
	return r >= '0' && r <= '9' || r >= 'A' && r <= 'Z' || r >= 'a' && r <= 'z'
}

func isNumberChar(r rune) bool { return isAlnum(r) || r == '_' || r == '-' }
func isGoodsChar(r rune) bool  { return isAlnum(r) || unicode.Is(unicode.Han, r) }
func isPrintable(r rune) bool  { return r >= ' ' && r <= '~' }
func isURLChar(r rune) bool    { return r > ' ' && r <= '~' }
