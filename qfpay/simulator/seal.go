package simulator

import (
	"slices"
	"strconv"

	"github.com/qfpay-worker/qfpay-worker/qfpay"
)

// seal writes the body of an answer and signs it.
func (a answer) seal(in arrival, how SignResponses) answer {
	if a.fields == nil {
		if a.status != 0 {
			a.body = html(a.status)
		}
		return a
	}
	switch {
	case !in.known: // without an account there is no key
		how = SignNone
	case in.effect.sign != "":
		how = in.effect.sign
	}
	if how == SignSortedData && !wrappable(a.fields) {
		how = SignBody
	}
	data := a.fields
	if how == SignSortedData {
		data, a.fields = wrap(a.fields)
	}
	a.body = a.fields.String()
	key := in.account.Key
	switch how {
	case SignBody:
		a.signature = digest("MD5", a.body, key)
	case SignBodySHA256:
		a.signature, a.signType = digest("SHA256", a.body, key), "SHA256"
	case SignSortedData:
		a.signature, a.signType = digest("MD5", canonical(textOf(data)), key), "MD5"
	case SignWrong:
		a.signature = digest("MD5", a.body, key+"?")
	}
	return a
}

// wrap moves the fields of an answer into data, as in the generic pages of 2026, except for the
// three about the answer itself. It omits empty fields, because the pages do not say whether
// they are signed.
func wrap(flat object) (data, wrapped object) {
	for _, f := range flat {
		switch {
		case slices.Contains([]string{"respcd", "resperr", "respmsg"}, f.name):
			wrapped = append(wrapped, f)
		case f.value != "" && f.value != nil:
			data = append(data, f)
		}
	}
	return data, append(wrapped, field{"data", data})
}

// wrappable reports whether an answer is about one order. The scheme with sorted data does not
// define refusals and the rows of a query, so these stay as they are.
func wrappable(flat object) bool {
	return slices.ContainsFunc(flat, func(f field) bool { return f.name == "syssn" })
}

// textOf returns the fields of data that are signed.
func textOf(data object) qfpay.Params {
	p := qfpay.Params{}
	for _, f := range data {
		switch v := f.value.(type) {
		case string:
			p[f.name] = v
		case int:
			p[f.name] = strconv.Itoa(v)
		case raw:
			p[f.name] = string(v)
		}
	}
	return p
}
