package main

import (
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/qfpay-worker/qfpay-worker/qfpay"
	"github.com/qfpay-worker/qfpay-worker/tasks"
	"github.com/qfpay-worker/qfpay-worker/worker"
)

// GatewayConfig configures the gateway, the merchants, and how the worker treats answers.
type GatewayConfig struct {
	GoodsNameConfig

	BaseURL   string `name:"qfpay-base-url" group:"Gateway" help:"Address of the gateway, https, without a path. Required."`
	AllowHTTP string `name:"qfpay-allow-http" group:"Gateway" default:"false" help:"Allow plain http to hosts other than loopback. For test networks."`

	AppCode       string       `name:"qfpay-app-code" group:"One merchant, named default" help:"Public half of the credentials. Required without a merchants file."`
	ClientKey     qfpay.Secret `name:"qfpay-client-key" group:"One merchant, named default" help:"Secret half. Prefer the file, or the variable: other users of the machine can read a command line."`
	ClientKeyFile string       `name:"qfpay-client-key-file" group:"One merchant, named default" help:"File with the secret half."`
	MchID         string       `name:"qfpay-mchid" group:"One merchant, named default" help:"Only if QFPay issued one."`

	MerchantsFile string `name:"qfpay-merchants-file" group:"Many merchants" help:"YAML list of merchants: name, base_url, app_code, client_key_file, mchid, sign_type, per_second, per_minute, notify_key_file. QFPAY_BASE_URL, QFPAY_SIGN_TYPE and the limits are defaults for its entries."`

	SignType  string `name:"qfpay-sign-type" group:"Gateway" default:"SHA256" help:"SHA256 or MD5."`
	PerSecond string `name:"qfpay-per-second" group:"Gateway" default:"100" help:"Calls that the gateway allows one app_code per second, over all endpoints; 0: no limit."`
	PerMinute string `name:"qfpay-per-minute" group:"Gateway" default:"400" help:"The same per minute."`

	LostResponse    string `name:"qfpay-lost-response" group:"Gateway" default:"auto" help:"What to do with an order whose QR code was lost: reissue, unresolved, or auto (reissue if QFPay documents a way to close the order)."`
	UniqueNumbers   string `name:"qfpay-unique-numbers" group:"Gateway" default:"true" help:"Whether to trust QFPay to refuse a repeated out_trade_no. false: never more than one create per order."`
	Timeout         string `name:"qfpay-timeout" group:"Gateway" default:"10s" help:"Timeout of one gateway call, 1s to 60s."`
	VerifyResponses string `name:"qfpay-verify-responses" group:"Gateway" default:"warn" help:"How to treat the signatures of answers: off, warn (report a wrong one), strict (refuse a wrong one, and an unsigned answer of a merchant whose answers have been signed) or require (refuse unsigned answers too)."`

	ProxyURL          string `name:"qfpay-proxy-url" group:"Gateway" help:"Proxy to the gateway: http, https or socks5, with a user but without a password."`
	ProxyPasswordFile string `name:"qfpay-proxy-password-file" group:"Gateway" help:"File with the password of the proxy."`
}

// GoodsNameConfig says what is sent of a goods_name. Every command that accepts or shows orders
// has it.
type GoodsNameConfig struct {
	GoodsName string `name:"qfpay-goods-name" group:"Gateway" default:"clean" help:"What is sent of a goods_name: clean (A-Z a-z 0-9 _ and Chinese characters, at most 20), asis, or strict (an order whose name would be changed is refused)."`
}

func (c GoodsNameConfig) resolve(found *checks) tasks.GoodsName {
	return tasks.GoodsName(found.choice("QFPAY_GOODS_NAME", c.GoodsName,
		string(tasks.CleanName), string(tasks.AsIsName), string(tasks.StrictName)))
}

// maxRate is the highest limit. No merchant is allowed more, and the limiter keeps a log of
// its calls, which must stay small.
const maxRate = 100_000

// GatewaySettings is a checked GatewayConfig.
type GatewaySettings struct {
	Merchants []worker.Merchant // at least one, names distinct

	LostResponse  string        // auto, reissue or unresolved
	UniqueNumbers bool          // trust QFPay to refuse a repeated out_trade_no
	Timeout       time.Duration // of one gateway call, 1 s to 60 s
	Verify        qfpay.Verify
	GoodsName     tasks.GoodsName
	Proxy         *url.URL // to the gateway; nil: none
	ProxyPassword qfpay.Secret
}

func (c GatewayConfig) resolve(found *checks) (s GatewaySettings) {
	s.Merchants = c.merchants(found)
	s.GoodsName = c.GoodsNameConfig.resolve(found)
	s.LostResponse = found.choice("QFPAY_LOST_RESPONSE", c.LostResponse, "auto", "reissue", "unresolved")
	s.UniqueNumbers = found.yes("QFPAY_UNIQUE_NUMBERS", c.UniqueNumbers)
	s.Timeout = found.duration("QFPAY_TIMEOUT", c.Timeout, time.Second, time.Minute)
	s.Verify = qfpay.Verify(found.choice("QFPAY_VERIFY_RESPONSES", c.VerifyResponses,
		string(qfpay.VerifyOff), string(qfpay.VerifyWarn), string(qfpay.VerifyStrict), string(qfpay.VerifyAlways)))
	s.Proxy, s.ProxyPassword = c.proxy(found)
	return s
}

// proxy checks the proxy and reads its password. A password in the URL is refused, and not shown:
// a URL is printed too easily.
func (c GatewayConfig) proxy(found *checks) (*url.URL, qfpay.Secret) {
	if c.ProxyURL == "" {
		if c.ProxyPasswordFile != "" {
			found.failed("QFPAY_PROXY_PASSWORD_FILE", "needs QFPAY_PROXY_URL")
		}
		return nil, ""
	}
	u, err := url.Parse(strings.TrimSpace(c.ProxyURL))
	if err != nil || u.Hostname() == "" || !slices.Contains([]string{"http", "https", "socks5"}, u.Scheme) ||
		strings.Trim(u.Path, "/") != "" || u.RawQuery != "" || u.Fragment != "" {
		found.failed("QFPAY_PROXY_URL", "must be an address such as http://proxy.internal:3128, https://… or socks5://…, without a path")
		return nil, ""
	}
	if _, has := u.User.Password(); has {
		found.failed("QFPAY_PROXY_URL", "must not carry a password; put it into the file that QFPAY_PROXY_PASSWORD_FILE names")
		return nil, ""
	}
	if c.ProxyPasswordFile == "" {
		return u, ""
	}
	password, err := readSecret(c.ProxyPasswordFile)
	found.secretFile("QFPAY_PROXY_PASSWORD_FILE", c.ProxyPasswordFile)
	switch {
	case err != nil:
		found.failed("QFPAY_PROXY_PASSWORD_FILE", "%v", err)
	case u.User.Username() == "":
		found.failed("QFPAY_PROXY_URL", "must carry the user that the password belongs to, such as http://user@proxy.internal:3128")
	}
	return u, password
}
