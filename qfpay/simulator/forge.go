package simulator

import (
	"maps"
	"net/http"
	"slices"
	"strings"
)

// The forged answers of somebody on the way who has no key. They change nothing in the books.

// forgedCode is a QR code that is no order's.
const forgedCode = "https://qr.alipay.com/forged"

// forgery returns what a forger wants to have believed: a code of his own; an order that is
// closed, so that another code is made; a close that was done.
func forgery(q request) object {
	fields := object{{"respcd", "0000"}, {"resperr", respErrOf("0000")}, {"respmsg", ""}}
	switch q.endpoint {
	case endpointPayment:
		fields = append(fields, field{"qrcode", forgedCode}, field{"syssn", "20260101000200999999999999"})
		for _, name := range []string{"out_trade_no", "pay_type", "txamt", "txcurrcd", "txdtm"} {
			fields = append(fields, field{name, q.params[name]})
		}
	case endpointQuery:
		fields = append(fields, field{"data", []object{{{"out_trade_no", q.params["out_trade_no"]},
			{"order_type", typePayment}, {"respcd", "1142"}, {"cancel", "2"}, {"syssn", "20260101000200999999999999"}}}})
	default:
		fields = append(fields, field{"orig_syssn", q.params["syssn"]}, field{"syssn", "20260101000200999999999999"})
	}
	return fields
}

// reflect answers with a forgery that has the request's own signature, which is right for the
// request's own parameters: they are in data, unless the rows of a query are there.
func reflect(q request, a answer, _ history) answer {
	fields := forgery(q)
	if q.endpoint != endpointQuery {
		var data object
		for _, name := range slices.Sorted(maps.Keys(q.params)) {
			data = append(data, field{name, q.params[name]})
		}
		fields = append(fields, field{"data", data})
	}
	return a.as(fields, q.sign, q.signType)
}

// strip replaces members of a true answer, and takes the signature away.
func strip(q request, a answer, _ history) answer {
	fields := slices.Clone(a.fields)
	for _, f := range forgery(q) {
		fields = fields.set(f.name, f.value)
	}
	return a.as(fields, "", "")
}

// addOutside leaves a true answer and its signature of data as they are, and puts a forgery beside data.
func addOutside(q request, a answer, _ history) answer {
	fields := slices.Clone(a.fields)
	for _, f := range forgery(q) {
		if f.name != "data" {
			fields = fields.set(f.name, f.value)
		}
	}
	return a.as(fields, a.signature, a.signType)
}

// replay returns a forger who answers with an earlier answer of the endpoint: the last one about
// another order, or the first one about the same. Without one, the true answer arrives.
func replay(same bool) func(request, answer, history) answer {
	return func(q request, a answer, past history) answer {
		for i, h := range past {
			if !same {
				h = past[len(past)-1-i]
			}
			if h.appCode == q.appCode && h.endpoint == q.endpoint && (h.outTradeNo == q.params["out_trade_no"]) == same {
				return a.as(h.fields, h.signature, h.signType)
			}
		}
		return a
	}
}

// as returns a with other fields and another signature.
func (a answer) as(fields object, signature, signType string) answer {
	a.status, a.fields, a.body = http.StatusOK, fields, fields.String()
	a.signature, a.signType = signature, strings.ToUpper(signType)
	return a
}

// history holds the latest signed answers, oldest first, for a forger to replay.
type history []heard

type heard struct {
	appCode, endpoint, outTradeNo string
	fields                        object
	signature, signType           string
}

// longMemory is how many answers a forger remembers at least.
const longMemory = 1000

// hear adds a true answer.
func (h history) hear(q request, a answer) history {
	if a.signature == "" || a.respcd != "0000" {
		return h
	}
	if len(h) >= 2*longMemory {
		h = slices.Clone(h[longMemory:])
	}
	return append(h, heard{q.appCode, q.endpoint, q.params["out_trade_no"], a.fields, a.signature, a.signType})
}
