package qfpay

import (
	"crypto/md5"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"maps"
	"net/url"
	"slices"
	"strings"
)

// SignType names the hash of a signature, as sent in X-QF-SIGNTYPE.
type SignType string

// The two hashes QFPay takes. It recommends SHA256; some of its channels are said
// to require MD5, so it is a setting of each merchant.
const (
	SHA256 SignType = "SHA256"
	MD5    SignType = "MD5"
)

// Params are the parameters of a request by their QFPay names. One with an empty
// value is neither signed nor sent.
type Params map[string]string

// Canonical returns the string that is signed, without the key: the parameters
// that have a value, sorted by name in byte order, as name=value joined with "&".
// Values are raw UTF-8; nothing is escaped.
func (p Params) Canonical() string { return p.join(func(s string) string { return s }) }

// form returns the parameters as the body of a request: the same parameters that
// are signed, in the same order, encoded. Encoding comes after signing; QFPay's PHP
// sample does it before, which is wrong for every value that needs it.
func (p Params) form() string { return p.join(url.QueryEscape) }

// join writes the parameters that have a value, in the order in which they are signed.
func (p Params) join(escape func(string) string) string {
	var b strings.Builder
	for _, name := range slices.Sorted(maps.Keys(p)) {
		if p[name] == "" {
			continue
		}
		if b.Len() > 0 {
			b.WriteByte('&')
		}
		b.WriteString(escape(name))
		b.WriteByte('=')
		b.WriteString(escape(p[name]))
	}
	return b.String()
}

// Sign returns the signature of a request with these parameters, in upper-case
// hex. QFPay compares it without regard to case.
func (t SignType) Sign(p Params, key Secret) string {
	return t.SignText([]byte(p.Canonical()), key)
}

// SignText returns the signature of text followed by the key, in upper-case hex.
// The body of an answer or a notification is signed this way, byte for byte.
// Any sign type but MD5 is taken for SHA256.
func (t SignType) SignText(text []byte, key Secret) string {
	signed := slices.Concat(text, []byte(key))
	var sum []byte
	if t == MD5 {
		s := md5.Sum(signed)
		sum = s[:]
	} else {
		s := sha256.Sum256(signed)
		sum = s[:]
	}
	return strings.ToUpper(hex.EncodeToString(sum))
}

// SameSignature compares two hex signatures in constant time and without regard
// to case.
func SameSignature(a, b string) bool {
	return subtle.ConstantTimeCompare([]byte(strings.ToUpper(a)), []byte(strings.ToUpper(b))) == 1
}
