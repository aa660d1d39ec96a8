package simulator

import (
	"bytes"
	"errors"
	"io"
	"mime"
	"mime/multipart"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/qfpay-worker/qfpay-worker/qfpay"
)

// The endpoints, by the last part of their path under /trade/v1/.
const (
	endpointPayment  = "payment"
	endpointQuery    = "query"
	endpointClose    = "close"
	endpointReversal = "reversal"
	endpointRefund   = "refund"
)

var endpoints = []string{endpointPayment, endpointQuery, endpointClose, endpointReversal, endpointRefund}

// The pages of 2024 and 2025 print GET for these three, and old clients use it.
var endpointsByGet = []string{endpointQuery, endpointClose, endpointReversal}

// maxBody is what is read of a request. The largest sensible one has 2 KiB.
const maxBody = 64 << 10

// request is what arrived, read.
type request struct {
	endpoint string // "" when the path is none of QFPay's
	appCode  string
	sign     string
	signType string
	params   qfpay.Params
	status   int    // not 0: the HTTP status that refuses it unread
	unread   string // not empty: why the parameters cannot be read, respcd 1103
}

// readRequest reads r. chunked says that its body has no stated length; QFPay's
// pages ask for "Chunked: false".
func readRequest(r *http.Request, chunked bool) (request, error) {
	q := request{
		appCode:  r.Header.Get("X-QF-APPCODE"),
		sign:     r.Header.Get("X-QF-SIGN"),
		signType: r.Header.Get("X-QF-SIGNTYPE"),
	}
	name, ok := strings.CutPrefix(r.URL.Path, "/trade/v1/")
	if !ok || !slices.Contains(endpoints, name) {
		q.status = http.StatusNotFound
		return q, nil
	}
	q.endpoint = name
	switch {
	case r.Method == http.MethodGet && slices.Contains(endpointsByGet, name):
		q.params, q.unread = readForm(r.URL.RawQuery)
		return q, nil
	case r.Method != http.MethodPost:
		q.status = http.StatusMethodNotAllowed
		return q, nil
	case chunked:
		q.status = http.StatusLengthRequired
		return q, nil
	}
	return q, q.readBody(r)
}

// readBody reads the parameters of a POST. Its error is one of the connection.
func (q *request) readBody(r *http.Request) error {
	var body []byte
	if r.Body != nil {
		var err error
		if body, err = io.ReadAll(io.LimitReader(r.Body, maxBody+1)); err != nil {
			return err
		}
	}
	if len(body) > maxBody {
		q.status = http.StatusRequestEntityTooLarge
		return nil
	}
	mediaType, attributes, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	switch {
	case err == nil && mediaType == "application/x-www-form-urlencoded":
		q.params, q.unread = readForm(string(body))
	case err == nil && mediaType == "multipart/form-data":
		q.params, q.unread = readMultipart(body, attributes["boundary"])
	default:
		q.unread = "Content-Type must be application/x-www-form-urlencoded"
	}
	return nil
}

// readForm reads name=value pairs joined with "&". It accepts all three forms of a space in
// QFPay's samples: "+", "%20", and a literal space. For the same reason, a "%" that does not
// begin an escape is literal.
func readForm(body string) (qfpay.Params, string) {
	p := qfpay.Params{}
	for pair := range strings.SplitSeq(body, "&") {
		if pair == "" {
			continue
		}
		name, value, _ := strings.Cut(pair, "=")
		if why := add(p, unescape(name), unescape(value)); why != "" {
			return p, why
		}
	}
	return p, ""
}

func unescape(s string) string {
	plain, err := url.QueryUnescape(s)
	if err != nil {
		return s
	}
	return plain
}

// readMultipart reads multipart/form-data, which one published plugin sends.
func readMultipart(body []byte, boundary string) (qfpay.Params, string) {
	p := qfpay.Params{}
	parts := multipart.NewReader(bytes.NewReader(body), boundary)
	for {
		part, err := parts.NextPart()
		if errors.Is(err, io.EOF) {
			return p, ""
		}
		if err != nil {
			return p, "multipart body is broken"
		}
		value, err := io.ReadAll(part)
		if err != nil {
			return p, "multipart body is broken"
		}
		if why := add(p, part.FormName(), string(value)); why != "" {
			return p, why
		}
	}
}

// add adds a parameter to p. It refuses a repeated one, because it would not be clear which of
// the two is signed.
func add(p qfpay.Params, name, value string) string {
	if _, twice := p[name]; twice {
		return name + ": given twice"
	}
	p[name] = value
	return ""
}
