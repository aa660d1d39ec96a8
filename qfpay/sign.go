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

// SignType is the hash of a signature, as sent in X-QF-SIGNTYPE.
type SignType string

// The two hashes that QFPay accepts. QFPay recommends SHA256. Some of its channels are
// reported to require MD5, so each merchant has this setting.
const (
	SHA256 SignType = "SHA256"
	MD5    SignType = "MD5"
)

// Params are the parameters of a request by QFPay's names. A parameter with an empty value is
// neither signed nor sent.
type Params map[string]string

// Canonical returns the string to sign, without the key: the parameters that have a value,
// sorted by name in byte order, as name=value joined with "&". Values are raw UTF-8 and not
// escaped.
func (p Params) Canonical() string { return p.join(func(s string) string { return s }) }

// form returns the parameters as the body of a request: the signed parameters, in the same
// order, encoded. Encoding comes after signing. QFPay's PHP sample encodes first, which gives
// a wrong signature for every value that encoding changes.
func (p Params) form() string { return p.join(url.QueryEscape) }

// join joins the parameters that have a value, in the order of the signature.
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

// Sign returns the signature of a request with these parameters, in upper-case hex. QFPay
// ignores the case.
func (t SignType) Sign(p Params, key Secret) string {
	return t.SignText([]byte(p.Canonical()), key)
}

// SignText returns the signature of text followed by the key, in upper-case hex. QFPay signs
// the bytes of an answer or a notification this way. Any sign type other than MD5 is treated
// as SHA256.
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

// SameSignature reports whether two hex signatures are equal, in constant time and ignoring
// case.
func SameSignature(a, b string) bool {
	return subtle.ConstantTimeCompare([]byte(strings.ToUpper(a)), []byte(strings.ToUpper(b))) == 1
}
