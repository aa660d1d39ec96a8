package qfpay

import (
	"net/http"
	"strings"
)

func (c *Client) verify() Verify {
	if c.Verify == "" {
		return VerifyWarn
	}
	return c.Verify
}

// checkSignature looks at the signature of an answer, unless it is not wanted.
func (c *Client) checkSignature(s exchange) Signature {
	if c.verify() == VerifyOff {
		return ""
	}
	return signatureOf(s.header, s.body, c.Merchant.Key)
}

// signatureOf says what the signature of an answer is worth. QFPay's reference of
// 2018 signs the bytes of the body, and its printed sample can be reproduced; the
// pages of 2026 describe another way, over the members of data. Either is right.
func signatureOf(h http.Header, body []byte, key Secret) Signature {
	sign := h.Get("X-QF-SIGN")
	if sign == "" {
		return SignatureAbsent
	}
	t := MD5 // whatever the request was signed with, unless the answer says otherwise
	switch named := strings.ToUpper(h.Get("X-QF-SIGNTYPE")); named {
	case "", string(MD5):
	case string(SHA256):
		t = SHA256
	default:
		return SignatureWrong
	}
	if SameSignature(sign, t.SignText(body, key)) || signsData(t, sign, body, key) {
		return SignatureRight
	}
	return SignatureWrong
}

// signsData tells whether sign is that of the sorted members of data. Empty ones are
// left out, as in a request.
func signsData(t SignType, sign string, body []byte, key Secret) bool {
	m, err := parseMembers(body)
	if err != nil || m.data == nil {
		return false
	}
	p := make(Params, len(m.data))
	for name, raw := range m.data {
		if text, ok := scalar(raw); ok {
			p[name] = text
		} else {
			p[name] = string(raw)
		}
	}
	return SameSignature(sign, t.Sign(p, key))
}
