package qfpay

import (
	"math/big"
	"strings"
	"unicode"
)

// A gateway writes the same value in several ways: an amount as a number or as text, a currency
// by its letters or its number in ISO 4217. What counts is the value.

// sameAmount reports whether a text is the number amount: 2500, 2500.0 and 000002500 are the
// same. 25.00 is another number than 2500, and so another amount: QFPay documents minor units.
func sameAmount(text string, amount int64) bool {
	n, ok := amountOf(text)
	return ok && n == amount
}

// amountOf reads a whole number in any notation.
func amountOf(text string) (amount int64, ok bool) {
	text = strings.TrimSpace(text)
	if len(text) > 40 || strings.Trim(text, "0123456789.eE+-") != "" {
		return 0, false
	}
	if _, exponent, found := strings.Cut(strings.ToLower(text), "e"); found && len(exponent) > 3 {
		return 0, false // the number itself would fill the memory
	}
	n, ok := new(big.Rat).SetString(text)
	if !ok || !n.IsInt() || !n.Num().IsInt64() {
		return 0, false
	}
	return n.Num().Int64(), true
}

// currencyNumbers are the numbers in ISO 4217 of the currencies that QFPay names.
var currencyNumbers = map[string]string{
	"784": "AED", "036": "AUD", "124": "CAD", "156": "CNY", "978": "EUR", "344": "HKD", "360": "IDR",
	"392": "JPY", "104": "MMK", "458": "MYR", "702": "SGD", "764": "THB", "840": "USD",
}

// sameCurrency reports whether a text means the currency with these letters.
func sameCurrency(text, currency string) bool {
	text = strings.TrimSpace(text)
	if len(text) == 2 { // a number that has lost its zero
		text = "0" + text
	}
	return strings.EqualFold(text, currency) || strings.EqualFold(currencyNumbers[text], currency) && currency != ""
}

// sameNumber reports whether a text is this order number. A gateway may keep it in another case.
func sameNumber(text, outTradeNo string) bool {
	return strings.EqualFold(strings.TrimSpace(text), outTradeNo)
}

// trimCode removes what may stand before and behind the text of a QR code without being part of
// it: white space, and a byte order mark.
func trimCode(text string) string {
	return strings.TrimFunc(text, func(r rune) bool { return unicode.IsSpace(r) || r == '\uFEFF' })
}
