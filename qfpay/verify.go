package qfpay

import (
	"net/http"
	"slices"
	"strings"
)

func (c *Client) verify() Verify {
	if c.Verify == "" {
		return VerifyWarn
	}
	return c.Verify
}

// distrusts reports whether an answer with a wrong signature is refused.
func (c *Client) distrusts() bool { return c.verify() == VerifyStrict || c.verify() == VerifyAlways }

// requiresSignature reports whether an answer with a respcd and no signature is refused. HTTP
// 429 and other statuses without a respcd come from servers that have no key.
func (c *Client) requiresSignature() bool {
	return c.verify() == VerifyAlways || c.verify() == VerifyStrict && c.HasSigned != nil && c.HasSigned.Load()
}

// checkSignature checks the signature of an answer, except with VerifyOff, and returns the scheme
// of a right one.
func (c *Client) checkSignature(r request, h http.Header, body []byte) (Signature, Scheme) {
	if c.verify() == VerifyOff {
		return "", ""
	}
	s, scheme := signatureOf(r, h, body, c.Merchant.Key)
	if s == SignatureRight && c.HasSigned != nil {
		c.HasSigned.Store(true)
	}
	return s, scheme
}

// signatureOf checks the signature of the answer to a request. In QFPay's reference of 2018 it
// covers the bytes of the body, and its printed sample can be reproduced. In the pages of 2026 it
// covers the members of data, made as for a request. Both are accepted.
//
// The second scheme is that of requests, so anybody on the way who returns the parameters of a
// request in data can return its signature too. Therefore the signature of this request is never
// right, and data must hold all that decides.
func signatureOf(r request, h http.Header, body []byte, key Secret) (Signature, Scheme) {
	sign := h.Get("X-QF-SIGN")
	if sign == "" {
		return SignatureAbsent, ""
	}
	ofBody, ofData := SchemeBodyMD5, SchemeDataMD5
	t := MD5 // unless the answer names another, and also if the request was signed with another
	switch named := strings.ToUpper(strings.TrimSpace(h.Get("X-QF-SIGNTYPE"))); named {
	case "", string(MD5):
	case string(SHA256):
		t, ofBody, ofData = SHA256, SchemeBodySHA256, SchemeDataSHA256
	default:
		return SignatureWrong, ""
	}
	switch {
	case SameSignature(sign, MD5.Sign(r.params, key)), SameSignature(sign, SHA256.Sign(r.params, key)):
		return SignatureReflected, ""
	case SameSignature(sign, t.SignText(body, key)):
		return SignatureRight, ofBody
	}
	m, err := parseObject(body)
	if err != nil || len(m.data) == 0 || !SameSignature(sign, t.Sign(m.members(), key)) {
		return SignatureWrong, ""
	}
	if !r.endpoint.covered(m) {
		return SignatureUncovered, ""
	}
	return SignatureRight, ofData
}

// members returns the members of data as they are signed. Empty ones do not count, as in a
// request.
func (m jsonObject) members() Params {
	p := make(Params, len(m.data))
	for name, raw := range m.data {
		if text, ok := scalar(raw); ok {
			p[name] = text
		} else {
			p[name] = string(raw)
		}
	}
	return p
}

// covered reports whether data holds all that decides about an answer of the endpoint. The rows
// of a query are a list, which the scheme does not describe: for them only the signature of the
// whole body counts.
func (e endpoint) covered(m jsonObject) bool {
	data := m.members()
	has := func(names ...string) bool {
		return !slices.ContainsFunc(names, func(name string) bool { return data[name] == "" })
	}
	switch e {
	case payment:
		return has("respcd", "out_trade_no", "txamt") && (!respCdOf(data["respcd"]).isSuccess() || has("qrcode"))
	case closeOrder, reversal:
		return has("respcd") && (has("orig_syssn") || has("out_trade_no"))
	}
	return false
}
