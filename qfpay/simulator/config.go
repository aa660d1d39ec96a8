package simulator

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/qfpay-worker/qfpay-worker/qfpay"
)

// QFPay's limits for one app_code, over all endpoints (usage guidelines, 2026-02).
const (
	DefaultPerSecond = 100
	DefaultPerMinute = 400
	NoLimit          = -1
)

// Account is one set of credentials that the gateway accepts.
type Account struct {
	AppCode   string
	Key       qfpay.Secret
	NotifyKey qfpay.Secret    // of the signatures of notifications; empty: Key
	MchIDs    []string        // one of them must be sent; if empty, none may be sent
	PayTypes  []qfpay.PayType // the enabled ones; empty: all seven
}

// Config configures a Gateway. The zero value is a gateway without faults and with the sample
// account.
type Config struct {
	Merchants []Account        // empty: the sample account
	Now       func() time.Time // the gateway's clock before Advance; nil: time.Now
	Seed      uint64           // for faults and latencies

	PerSecond  int        // 0: DefaultPerSecond, negative: no limit
	PerMinute  int        // 0: DefaultPerMinute, negative: no limit
	RetryAfter RetryAfter // with HTTP 429 and 503; QFPay does not document one

	Latency Latency       // of every call
	Faults  Faults        // probability of each fault
	Late    time.Duration // the delay of land_late, answer_late, slow_visibility and notify_late; 0: 15 s

	Takes      Takes                      // what a create may have
	Duplicate  DuplicateAnswer            // answer to a repeated out_trade_no; empty: Duplicate1102
	Visibility time.Duration              // how long queries do not show a new order
	Expired    qfpay.RespCd               // of an expired order in a query: 1181 (if empty) or 1142
	Closing    map[qfpay.PayType][]string // endpoints that cancel an unpaid order; nil: as documented
	CloseRows  bool                       // queries show cancellations as separate rows (reference of 2018)

	SignResponses SignResponses // empty: SignBody
	Notify        Notify
	Customers     Customers
}

// Latency is the duration of a call, uniformly distributed from Min to Max. Half of it passes
// before the request is processed.
type Latency struct{ Min, Max time.Duration }

// Notify configures notifications. Only [Gateway.RunNotifier] sends them.
type Notify struct {
	URL string // for all app_codes, as configured by QFPay's support; empty: none

	// FromOrder gives the notify_url of an order precedence over URL. QFPay does not say
	// whether it does that. With it, a client that may create orders can make the gateway
	// post to any address.
	FromOrder bool
}

// DuplicateAnswer is the answer to a create with a known out_trade_no. QFPay's answer is not
// documented; these are the possibilities. Another is any respcd with a text in any language,
// CODE:TEXT, such as 1251:订单号重复 or 1104:out_trade_no already exists.
type DuplicateAnswer string

// The answers to a duplicate.
const (
	Duplicate1102    DuplicateAnswer = "1102"    // duplicate request
	Duplicate2011    DuplicateAnswer = "2011"    // serial number repeats
	Duplicate1251    DuplicateAnswer = "1251"    // with respmsg "out_trade_no is used", as seen live on a refund
	DuplicateState   DuplicateAnswer = "state"   // 1260–1264 or 1181, by the state of the order
	DuplicateReissue DuplicateAnswer = "reissue" // the same QR code again while unpaid (reference of 2018), else by state
	DuplicateNone    DuplicateAnswer = "none"    // accepted: one more order under the same order number
)

// split returns the respcd and the text of CODE:TEXT.
func (d DuplicateAnswer) split() (respcd, text string) {
	respcd, text, _ = strings.Cut(string(d), ":")
	return respcd, text
}

// Validate returns all problems of c, or nil.
func (c Config) Validate() error {
	var wrong []error
	seen := map[string]bool{}
	for i, a := range c.Merchants {
		switch {
		case a.AppCode == "" || a.Key == "":
			wrong = append(wrong, fmt.Errorf("Merchants[%d]: AppCode and Key must not be empty", i))
		case seen[a.AppCode]:
			wrong = append(wrong, fmt.Errorf("Merchants[%d]: AppCode %s is used twice", i, a.AppCode))
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
		if respcd, text := c.Duplicate.split(); !isRespCd(respcd) || text == "" {
			wrong = append(wrong, fmt.Errorf("Duplicate: must be 1102, 2011, 1251, state, reissue, none or CODE:TEXT, not %q", c.Duplicate))
		}
	}
	switch c.RetryAfter {
	case RetryAfterNone, RetryAfterSeconds, RetryAfterDate:
	default:
		wrong = append(wrong, fmt.Errorf("RetryAfter: must be seconds or date, not %q", c.RetryAfter))
	}
	switch c.SignResponses {
	case "", SignBody, SignBodySHA256, SignSortedData, SignWrong, SignNone:
	default:
		wrong = append(wrong, fmt.Errorf("SignResponses: must be body, sha256, sorted-data, wrong or none, not %q", c.SignResponses))
	}
	if c.Expired != "" && c.Expired != "1181" && c.Expired != "1142" {
		wrong = append(wrong, fmt.Errorf("Expired: must be 1181 or 1142, not %q", c.Expired))
	}
	wrong = append(wrong, c.Takes.validate()...)
	return errors.Join(append(wrong, c.Customers.validate(), c.Faults.Validate())...)
}

// withDefaults returns c with defaults for empty fields.
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

// documentedClosing follows the pages of 2026-02. For WeChat they contradict each other: the
// list under reversal contains it, but the text and all older pages say close. Both work here.
var documentedClosing = map[qfpay.PayType][]string{
	qfpay.AlipayOverseas: {endpointReversal},
	qfpay.AlipayHK:       {endpointReversal},
	qfpay.WeChat:         {endpointClose, endpointReversal},
}

// Customers are people who pay what was created, and ask for their money back. The zero value is
// nobody: then only [Gateway.Pay] and its kin pay.
type Customers struct {
	Pay    float64 // the share of orders that are paid while their code can be
	After  Latency // until they are paid, or a paid one is paid again or refunded
	Again  float64 // the share of paid orders that are paid a second time
	Late   float64 // the share of orders, of those that are not paid, that are paid After their code has run out
	Refund float64 // the share of paid orders that are refunded
}

func (c Customers) validate() error {
	for _, share := range []float64{c.Pay, c.Again, c.Late, c.Refund} {
		if !(share >= 0 && share <= 1) { // so that NaN is refused too
			return errors.New("Customers: shares must be from 0 to 1")
		}
	}
	if c.After.Min < 0 || c.After.Max < c.After.Min {
		return errors.New("Customers: After must be from a shorter to a longer time")
	}
	return nil
}
