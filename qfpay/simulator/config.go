package simulator

import (
	"errors"
	"fmt"
	"time"

	"github.com/qfpay-worker/qfpay-worker/qfpay"
)

// QFPay's limits for one app_code, over all endpoints (usage guidelines, 2026-02).
const (
	DefaultPerSecond = 100
	DefaultPerMinute = 400
	NoLimit          = -1
)

// Account is one set of credentials the gateway knows.
type Account struct {
	AppCode  string
	Key      qfpay.Secret
	MchIDs   []string        // one of them must be sent; when empty, none may be
	PayTypes []qfpay.PayType // those enabled; empty: all seven
}

// Config says how a Gateway behaves. Its zero value is a gateway without faults
// that knows the sample account.
type Config struct {
	Merchants []Account        // empty: the sample account
	Now       func() time.Time // the gateway's clock before Advance; nil: time.Now
	Seed      uint64           // of faults and latencies

	PerSecond  int  // 0: DefaultPerSecond, negative: no limit
	PerMinute  int  // 0: DefaultPerMinute, negative: no limit
	RetryAfter bool // send Retry-After with HTTP 429; QFPay does not document one

	Latency Latency       // of every call
	Faults  Faults        // how often what goes wrong
	Late    time.Duration // how late land_late, answer_late, slow_visibility and notify_late are; 0: 15 s

	Duplicate  DuplicateAnswer            // what a repeated out_trade_no gets; empty: Duplicate1102
	Visibility time.Duration              // how long an enquiry does not show a new order
	Expired    qfpay.RespCd               // of an expired order in an enquiry: 1181 (when empty) or 1142
	Closing    map[qfpay.PayType][]string // endpoints that cancel an unpaid order; nil: as documented
	CloseRows  bool                       // an enquiry shows cancellations as rows of their own (reference of 2018)

	SignResponses SignResponses // empty: SignBody
	Notify        Notify
}

// Latency is how long a call takes, drawn evenly from Min to Max. Half of it passes
// before the request is carried out.
type Latency struct{ Min, Max time.Duration }

// Notify says where notifications go. They are sent by [Gateway.RunNotifier] only.
type Notify struct {
	URL string // configured for all app_codes, as QFPay's support does; empty: none

	// FromOrder has the notify_url of an order go before URL. QFPay does not say
	// whether it does; and whoever may create orders can then make the gateway post
	// to any address.
	FromOrder bool
}

// SignResponses is how answers are signed. QFPay's documents describe two ways; only
// that of the 2018 reference comes with a sample that can be reproduced.
type SignResponses string

// The ways of signing answers.
const (
	SignBody       SignResponses = "body"        // MD5 of the raw body and the key (reference of 2018)
	SignBodySHA256 SignResponses = "sha256"      // likewise, and X-QF-SIGNTYPE: SHA256
	SignSortedData SignResponses = "sorted-data" // the answer's fields inside data, sorted (pages of 2026)
	SignWrong      SignResponses = "wrong"       // a signature that fits nothing
	SignNone       SignResponses = "none"        // no header
)

// DuplicateAnswer is what a create gets whose out_trade_no is known already. What
// QFPay answers is nowhere shown; these are the candidates.
type DuplicateAnswer string

// The answers to a duplicate.
const (
	Duplicate1102    DuplicateAnswer = "1102"    // duplicate request
	Duplicate2011    DuplicateAnswer = "2011"    // serial number repeats
	Duplicate1251    DuplicateAnswer = "1251"    // with respmsg "out_trade_no is used", as seen live on a refund
	DuplicateState   DuplicateAnswer = "state"   // 1260–1264 or 1181, by the state of the order
	DuplicateReissue DuplicateAnswer = "reissue" // the same QR code again while unpaid (reference of 2018), else by state
	DuplicateNone    DuplicateAnswer = "none"    // accepts it: one more order under the same number
)

// Validate returns everything that is wrong with c, or nil.
func (c Config) Validate() error {
	var wrong []error
	seen := map[string]bool{}
	for i, a := range c.Merchants {
		switch {
		case a.AppCode == "" || a.Key == "":
			wrong = append(wrong, fmt.Errorf("Merchants[%d]: AppCode and Key must not be empty", i))
		case seen[a.AppCode]:
			wrong = append(wrong, fmt.Errorf("Merchants[%d]: AppCode %s is there twice", i, a.AppCode))
		}
		seen[a.AppCode] = true
	}
	if c.Latency.Min < 0 || c.Latency.Max < c.Latency.Min {
		wrong = append(wrong, fmt.Errorf("Latency: must be from a shorter to a longer time, not %s to %s", c.Latency.Min, c.Latency.Max))
	}
	if c.Late < 0 || c.Visibility < 0 {
		wrong = append(wrong, errors.New("Late and Visibility: must not be negative"))
	}
	switch c.Duplicate {
	case "", Duplicate1102, Duplicate2011, Duplicate1251, DuplicateState, DuplicateReissue, DuplicateNone:
	default:
		wrong = append(wrong, fmt.Errorf("Duplicate: must be 1102, 2011, 1251, state, reissue or none, not %q", c.Duplicate))
	}
	switch c.SignResponses {
	case "", SignBody, SignBodySHA256, SignSortedData, SignWrong, SignNone:
	default:
		wrong = append(wrong, fmt.Errorf("SignResponses: must be body, sha256, sorted-data, wrong or none, not %q", c.SignResponses))
	}
	if c.Expired != "" && c.Expired != "1181" && c.Expired != "1142" {
		wrong = append(wrong, fmt.Errorf("Expired: must be 1181 or 1142, not %q", c.Expired))
	}
	return errors.Join(append(wrong, c.Faults.Validate())...)
}

// withDefaults fills in what was left empty.
func (c Config) withDefaults() Config {
	if len(c.Merchants) == 0 {
		c.Merchants = []Account{{AppCode: SampleAppCode, Key: SampleKey}}
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Late == 0 {
		c.Late = 15 * time.Second
	}
	if c.Duplicate == "" {
		c.Duplicate = Duplicate1102
	}
	if c.Expired == "" {
		c.Expired = "1181"
	}
	if c.Closing == nil {
		c.Closing = documentedClosing
	}
	if c.SignResponses == "" {
		c.SignResponses = SignBody
	}
	return c
}

// documentedClosing follows the pages of 2026-02. For WeChat they contradict
// themselves: the list under reversal has it, and the text and all older pages give
// close; both work here.
var documentedClosing = map[qfpay.PayType][]string{
	qfpay.AlipayOverseas: {endpointReversal},
	qfpay.AlipayHK:       {endpointReversal},
	qfpay.WeChat:         {endpointClose, endpointReversal},
}
