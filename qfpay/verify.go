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

// checkSignature checks the signature of an answer, except with VerifyOff.
func (c *Client) checkSignature(h http.Header, body []byte) Signature {
	if c.verify() == VerifyOff {
		return ""
	}
	return signatureOf(h, body, c.Merchant.Key)
}

// signatureOf checks the signature of an answer. In QFPay's reference of 2018 it covers the
// bytes of the body, and its printed sample can be reproduced. In the pages of 2026 it covers
// the members of data. Both are accepted.
func signatureOf(h http.Header, body []byte, key Secret) Signature {
	sign := h.Get("X-QF-SIGN")
	if sign == "" {
		return SignatureAbsent
	}
	t := MD5 // unless the answer names another, and also if the request was signed with another
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

// signsData reports whether sign is the signature of the sorted members of data. Empty ones
// do not count, as in a request.
func signsData(t SignType, sign string, body []byte, key Secret) bool {
	m, err := parseObject(body)
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
