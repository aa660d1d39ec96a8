package tasks

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"

	"github.com/qfpay-worker/qfpay-worker/qfpay"
)

// goodsName is the field that never makes an order invalid for its characters.
const goodsName = "goods_name"

// GoodsName says what is sent to QFPay of a goods_name. QFPay's page allows 20 letters, digits
// and Chinese characters; its samples have other characters too, and which it refuses is not
// known. Journals and results keep the text as it was given.
type GoodsName string

// The forms. The zero value is [CleanName].
const (
	CleanName  GoodsName = "clean"  // A-Z a-z 0-9 _ and Chinese characters, at most 20 and 64 bytes; the rest is dropped
	AsIsName   GoodsName = "asis"   // as given, in Unicode's form C, without control characters
	StrictName GoodsName = "strict" // an order whose name CleanName would change is refused
)

// GoodsNames returns the forms, the default first.
func GoodsNames() []GoodsName { return []GoodsName{CleanName, AsIsName, StrictName} }

// Sent returns what is sent of a name. If it is empty, no name is sent.
func (g GoodsName) Sent(name string) string {
	if g == AsIsName {
		return norm.NFC.String(strings.Map(func(r rune) rune {
			if unicode.IsControl(r) {
				return -1
			}
			return r
		}, name))
	}
	return cleanName(name)
}

// The limits of goods_name in QFPay's page: String(64), and 20 characters.
const (
	maxNameRunes = 20
	maxNameBytes = 64
)

func cleanName(name string) string {
	var kept strings.Builder
	runes := 0
	for _, r := range name {
		if r != '_' && !(r < utf8.RuneSelf && (unicode.IsLetter(r) || unicode.IsDigit(r))) && !unicode.Is(unicode.Han, r) {
			continue
		}
		if runes++; runes > maxNameRunes || kept.Len()+utf8.RuneLen(r) > maxNameBytes {
			break
		}
		kept.WriteRune(r)
	}
	return kept.String()
}

// Check returns an error, a [qfpay.FieldErrors], if names must be strict and the order's is not.
func (g GoodsName) Check(o Order) error {
	sent := cleanName(o.GoodsName)
	if g != StrictName || sent == o.GoodsName {
		return nil
	}
	rule := "must be at most 20 of A-Z a-z 0-9 _ and Chinese characters, at most 64 bytes"
	if sent != "" {
		rule += fmt.Sprintf(", such as %q", sent)
	}
	return qfpay.FieldErrors{{Field: goodsName, Value: shorten(o.GoodsName), Rule: rule + " (QFPAY_GOODS_NAME=strict)"}}
}
