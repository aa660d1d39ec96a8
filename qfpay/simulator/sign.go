package simulator

import (
	"cmp"
	"crypto/md5"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"slices"
	"strings"

	"github.com/qfpay-worker/qfpay-worker/qfpay"
)

// canonical returns what is signed of a request: the parameters that have a value,
// by name in byte order, name=value, joined with "&", values raw. The signature and
// its type are left out when somebody sends them as parameters (QFPay's own scripts
// and two old clients do).
//
// This is written from QFPay's page on signing and does not use package qfpay's
// signing, so that a mistake in one of the two shows.
func canonical(p qfpay.Params) string {
	type pair struct{ name, value string }
	var pairs []pair
	for name, value := range p {
		if value != "" && name != "sign" && name != "sign_type" {
			pairs = append(pairs, pair{name, value})
		}
	}
	slices.SortFunc(pairs, func(a, b pair) int { return cmp.Compare(a.name, b.name) })
	joined := make([]string, len(pairs))
	for i, p := range pairs {
		joined[i] = p.name + "=" + p.value
	}
	return strings.Join(joined, "&")
}

// digest returns the upper-case hex digest of text and key.
func digest(signType, text string, key qfpay.Secret) string {
	signed := []byte(text + string(key))
	if strings.EqualFold(signType, "SHA256") {
		sum := sha256.Sum256(signed)
		return strings.ToUpper(hex.EncodeToString(sum[:]))
	}
	sum := md5.Sum(signed)
	return strings.ToUpper(hex.EncodeToString(sum[:]))
}

// knownSignType tells whether QFPay knows the value of an X-QF-SIGNTYPE header;
// without the header it is MD5.
func knownSignType(t string) bool {
	return t == "" || strings.EqualFold(t, "MD5") || strings.EqualFold(t, "SHA256")
}

// signedBy tells whether the request carries the right signature for key. Upper and
// lower case are the same: QFPay's samples send both.
func (q request) signedBy(key qfpay.Secret) bool {
	want := digest(q.signType, canonical(q.params), key)
	return knownSignType(q.signType) &&
		subtle.ConstantTimeCompare([]byte(want), []byte(strings.ToUpper(q.sign))) == 1
}
