package main

import (
	"errors"
	"net"
	"net/netip"
	"net/url"
	"strings"

	"github.com/qfpay-worker/qfpay-worker/cmd/internal/conns"
	"github.com/qfpay-worker/qfpay-worker/qfpay"
)

// PaymentsConfig says whether published codes are followed until they are paid or dead, and where
// QFPay's notifications about them arrive.
type PaymentsConfig struct {
	Payments string       `name:"worker-payments" group:"Payments" default:"off" help:"off, or on: follow each published code until it is paid or dead, and publish that in the payment stream."`
	Notify   NotifyConfig `embed:""`
}

// NotifyConfig configures the server for QFPay's notifications.
type NotifyConfig struct {
	Addr     string `name:"worker-notify-addr" group:"Payments" help:"Address at which QFPay's notifications are received, such as :9466, as POST /qfpay/notify/MERCHANT. Empty: none are. Without a certificate, loopback only, or for the proxies."`
	URL      string `name:"worker-notify-url" group:"Payments" help:"What QFPay is told as the notify_url of orders that have none: the address from outside, such as https://shop.example/qfpay/notify, to which /MERCHANT is added."`
	Proxies  string `name:"worker-notify-proxies" group:"Payments" help:"Addresses or networks of the proxies that pass notifications on over plain http, separated by commas, such as 10.0.0.0/8."`
	CertFile string `name:"worker-notify-cert-file" group:"Payments" help:"File with the TLS certificate and its chain, PEM. Read again when it changes."`
	KeyFile  string `name:"worker-notify-key-file" group:"Payments" help:"File with the key of the certificate, PEM."`
}

// PaymentsSettings is a checked PaymentsConfig.
type PaymentsSettings struct {
	Payments  bool   // follow published codes
	NotifyURL string // without the merchant; empty: orders have their own, or none
	Notify    NotifySettings
}

// NotifySettings is a checked NotifyConfig.
type NotifySettings struct {
	Addr        string             // host:port; empty: notifications are not received
	Proxies     []netip.Prefix     // that may use plain HTTP, beside loopback
	Certificate *conns.Certificate // nil: plain HTTP
}

func (c PaymentsConfig) resolve(found *checks, allowHTTP bool) PaymentsSettings {
	s := PaymentsSettings{Payments: found.choice("WORKER_PAYMENTS", c.Payments, "off", "on") == "on"}
	for _, one := range []struct{ variable, value string }{{"WORKER_NOTIFY_ADDR", c.Notify.Addr}, {"WORKER_NOTIFY_URL", c.Notify.URL}} {
		if one.value != "" && !s.Payments {
			found.failed(one.variable, "needs WORKER_PAYMENTS=on: without it, nothing reads a notification")
		}
	}
	if c.Notify.URL != "" {
		u, err := notifyURL(c.Notify.URL, allowHTTP)
		if err != nil {
			found.failed("WORKER_NOTIFY_URL", "%v", err)
		}
		s.NotifyURL = u
	}
	s.Notify = c.Notify.resolve(found)
	return s
}

// resolve checks the settings of the server. Without an address, it ignores the others.
func (c NotifyConfig) resolve(found *checks) NotifySettings {
	if c.Addr == "" {
		return NotifySettings{}
	}
	s := NotifySettings{Addr: listenAddr(found, "WORKER_NOTIFY_ADDR", "9466", c.Addr), Proxies: prefixes(found, "WORKER_NOTIFY_PROXIES", c.Proxies)}
	host, _, err := net.SplitHostPort(c.Addr)
	switch {
	case c.CertFile != "" || c.KeyFile != "":
		s.Certificate = certificate(found, "WORKER_NOTIFY_CERT_FILE", c.CertFile, "WORKER_NOTIFY_KEY_FILE", c.KeyFile)
	case err == nil && c.Proxies == "" && !loopback(host):
		found.failed("WORKER_NOTIFY_ADDR", "must be on loopback, such as 127.0.0.1:9466, or have TLS (WORKER_NOTIFY_CERT_FILE, WORKER_NOTIFY_KEY_FILE), "+
			"or be behind a proxy (WORKER_NOTIFY_PROXIES): what customers pay must not cross the internet in plain text")
	}
	return s
}

// prefixes reads a list of addresses and networks.
func prefixes(found *checks, variable, text string) (all []netip.Prefix) {
	for one := range strings.SplitSeq(text, ",") {
		if one = strings.TrimSpace(one); one == "" {
			continue
		}
		network, err := netip.ParsePrefix(one)
		if address, addrErr := netip.ParseAddr(one); addrErr == nil && address.Zone() == "" {
			network, err = address.Prefix(address.BitLen())
		}
		if err != nil {
			found.failed(variable, "must be addresses or networks such as 10.0.0.7, 10.0.0.0/8 or fd00::/8, separated by commas, not %s", quoted(one))
			continue
		}
		if network.Bits() == 0 {
			found.warnings = append(found.warnings, variable+": "+quoted(one)+" is everybody: plain HTTP is taken from anywhere")
		}
		all = append(all, network.Masked())
	}
	return all
}

// longestMerchant is the longest name that a merchant can have.
var longestMerchant = strings.Repeat("m", 64)

// notifyURL checks the address that QFPay is told. The name of a merchant is added to its path, so
// the rule for the notify_url of an order applies to it with the longest name.
func notifyURL(text string, allowHTTP bool) (string, error) {
	text = strings.TrimRight(strings.TrimSpace(text), "/")
	u, err := url.Parse(text)
	switch {
	case err != nil || u.Host == "":
		return "", errors.New("must be an address such as https://shop.example/qfpay/notify")
	case strings.ContainsAny(text, "?#"):
		return "", errors.New("must have neither a query nor a fragment: the name of the merchant is added to its path")
	case u.Scheme == "http" && !allowHTTP:
		return "", errors.New("must begin with https://, or QFPay would send notifications in plain text; QFPAY_ALLOW_HTTP=true allows it")
	}
	problems := qfpay.Order{NotifyURL: text + "/" + longestMerchant}.Validate()
	if all, ok := errors.AsType[qfpay.FieldErrors](problems); ok {
		for _, one := range all {
			if one.Field == "notify_url" {
				return "", errors.New(one.Rule + ", with the name of the merchant")
			}
		}
	}
	return text, nil
}
