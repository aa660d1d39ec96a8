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

// canonical returns the text that a request signs: the parameters that have a value, sorted by
// name in byte order, as name=value joined with "&", with raw values. The signature and its
// type are excluded if they are sent as parameters (QFPay's own scripts and two old clients do
// that).
//
// This is written from QFPay's page on signing, without the code of package qfpay, so that
// tests find a mistake in either of them.
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

// knownSignType reports whether QFPay knows the value of an X-QF-SIGNTYPE header. Without the
// header it is MD5.
func knownSignType(t string) bool {
	return t == "" || strings.EqualFold(t, "MD5") || strings.EqualFold(t, "SHA256")
}

// signedBy reports whether the request has the right signature for key, in upper or lower
// case: QFPay's samples send both.
func (q request) signedBy(key qfpay.Secret) bool {
	want := digest(q.signType, canonical(q.params), key)
	return knownSignType(q.signType) &&
		subtle.ConstantTimeCompare([]byte(want), []byte(strings.ToUpper(q.sign))) == 1
}

// SignResponses is how answers are signed. QFPay's documents describe two ways, but only the
// 2018 reference has a sample that can be reproduced.
type SignResponses string

// The ways of signing answers.
const (
	SignBody       SignResponses = "body"        // MD5 of the raw body and the key (reference of 2018)
	SignBodySHA256 SignResponses = "sha256"      // likewise, and X-QF-SIGNTYPE: SHA256
	SignSortedData SignResponses = "sorted-data" // the answer's fields inside data, sorted (pages of 2026)
	SignWrong      SignResponses = "wrong"       // a wrong signature
	SignNone       SignResponses = "none"        // no header
)
