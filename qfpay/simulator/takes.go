package simulator

import (
	"fmt"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/qfpay-worker/qfpay-worker/qfpay"
)

// Takes is what the gateway takes in a create, where QFPay's documents are silent or contradict
// each other. The zero value takes what the newest pages say.
type Takes struct {
	// SignTypes are the hashes of creates, by pay type. Queries and cancellations may have either.
	// Pages of 2026 say that some channels need MD5, and no sample of a create has SHA256. A pay type
	// that is not in it takes both.
	SignTypes   map[qfpay.PayType][]qfpay.SignType
	GoodsName   GoodsNames // empty: NamesOfPage
	Number      int        // characters of out_trade_no; 0: 128
	NoNotifyURL bool       // a create with a notify_url is refused
}

// GoodsNames are the goods_names that are taken.
type GoodsNames string

// The goods_names that are taken, all of at most 64 bytes.
const (
	NamesOfLetters GoodsNames = "letters" // 20 letters, digits and Chinese characters, to the letter of the page
	NamesOfPage    GoodsNames = "page"    // and _, which QFPay's own sample has
	NamesOfSale    GoodsNames = "asis"    // any text
)

// validate returns what is wrong.
func (t Takes) validate() (wrong []error) {
	switch t.GoodsName {
	case "", NamesOfLetters, NamesOfPage, NamesOfSale:
	default:
		wrong = append(wrong, fmt.Errorf("Takes.GoodsName: must be letters, page or asis, not %q", t.GoodsName))
	}
	if t.Number < 0 || t.Number > maxNumber {
		wrong = append(wrong, fmt.Errorf("Takes.Number: must be 0 to %d, not %d", maxNumber, t.Number))
	}
	return wrong
}

// maxNumber is the documented length of out_trade_no.
const maxNumber = 128

// signType reports whether a create may be signed with a hash. Without a name it is MD5.
func (t Takes) signType(name string, p qfpay.PayType) bool {
	allowed, some := t.SignTypes[p]
	if name == "" {
		name = string(qfpay.MD5)
	}
	for _, a := range allowed {
		if strings.EqualFold(name, string(a)) {
			return true
		}
	}
	return !some
}

// check returns the first problem with the parameters of a create, as checkCreate does.
func (t Takes) check(p qfpay.Params) string {
	longest := t.Number
	if longest == 0 {
		longest = maxNumber
	}
	switch {
	case len(p["out_trade_no"]) > longest:
		return "out_trade_no: must be at most " + strconv.Itoa(longest) + " characters"
	case !t.goodsName(p["goods_name"]):
		return "goods_name: must be at most 20 letters, digits, _ and Chinese characters, and 64 bytes"
	case t.NoNotifyURL && p["notify_url"] != "":
		return "notify_url: is configured for the app_code"
	}
	return ""
}

// goodsName applies both "String(64)" and "at most 20 characters" of the same page.
func (t Takes) goodsName(s string) bool {
	if t.GoodsName != NamesOfSale {
		for _, r := range s {
			letter := r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || r == '_' && t.GoodsName != NamesOfLetters
			if !letter && !unicode.Is(unicode.Han, r) {
				return false
			}
		}
		if utf8.RuneCountInString(s) > 20 {
			return false
		}
	}
	return len(s) <= 64
}
