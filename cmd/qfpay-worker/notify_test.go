package main

import (
	"strings"
	"testing"
)

func TestNotify_TakesPlainHTTPOnLoopbackAndFromProxiesOnly(t *testing.T) {
	cert, key := pair(t)
	for _, c := range []struct {
		addr, proxies string
		plain         bool // allowed
	}{
		{"127.0.0.1:9466", "", true}, {"[::1]:0", "", true}, {"localhost:9466", "", true},
		{":9466", "", false}, {"0.0.0.0:9466", "", false}, {"10.0.0.1:9466", "", false}, {"localhost.example.com:1", "", false},
		{":9466", "10.0.0.0/8", true}, {":9466", "10.0.0.7", true}, {"10.0.0.1:9466", "fd00::/8,10.0.0.2", true},
	} {
		env := oneMerchant("WORKER_PAYMENTS=on", "WORKER_NOTIFY_ADDR="+c.addr, "WORKER_NOTIFY_PROXIES="+c.proxies)
		s, wrong := settings(t, env)
		if c.plain != (wrong == nil) || c.plain && s.Notify.Addr != c.addr ||
			!c.plain && (wrong[0].Variable != "WORKER_NOTIFY_ADDR" || !strings.Contains(wrong[0].Problem, "WORKER_NOTIFY_CERT_FILE")) {
			t.Errorf("%+v: %v", c, wrong)
		}
		s, wrong = settings(t, append(env, "WORKER_NOTIFY_CERT_FILE="+cert, "WORKER_NOTIFY_KEY_FILE="+key))
		if wrong != nil || s.Notify.Certificate == nil {
			t.Errorf("%+v with TLS: %v", c, wrong)
		}
	}
}

func TestNotify_EveryWrongSettingIsNamed(t *testing.T) {
	cert, key := pair(t)
	long := "https://shop.example/" + strings.Repeat("n", 170) // 191 characters, and 65 for a merchant
	for _, c := range []struct{ set, variable, problem string }{
		{"WORKER_NOTIFY_ADDR=9466", "WORKER_NOTIFY_ADDR", "host:port, such as 127.0.0.1:9466"},
		{"WORKER_NOTIFY_PROXIES=proxy.internal", "WORKER_NOTIFY_PROXIES", "addresses or networks"},
		{"WORKER_NOTIFY_PROXIES=10.0.0.0/33", "WORKER_NOTIFY_PROXIES", "addresses or networks"},
		{"WORKER_NOTIFY_PROXIES=fe80::1%eth0", "WORKER_NOTIFY_PROXIES", "addresses or networks"},
		{"WORKER_NOTIFY_CERT_FILE=" + cert, "WORKER_NOTIFY_KEY_FILE", "required with WORKER_NOTIFY_CERT_FILE"},
		{"WORKER_NOTIFY_KEY_FILE=" + key, "WORKER_NOTIFY_CERT_FILE", "required with WORKER_NOTIFY_KEY_FILE"},
		{"WORKER_NOTIFY_URL=shop.example/n", "WORKER_NOTIFY_URL", "must be an address such as https://"},
		{"WORKER_NOTIFY_URL=http://shop.example/n", "WORKER_NOTIFY_URL", "must begin with https://"},
		{"WORKER_NOTIFY_URL=ftp://shop.example/n", "WORKER_NOTIFY_URL", "must be an http or https address"},
		{"WORKER_NOTIFY_URL=https://shop.example/n?a=b", "WORKER_NOTIFY_URL", "neither a query nor a fragment"},
		{"WORKER_NOTIFY_URL=https://shop.example/n#", "WORKER_NOTIFY_URL", "neither a query nor a fragment"},
		{"WORKER_NOTIFY_URL=https://shop.example:8443/n", "WORKER_NOTIFY_URL", "port 80 or 443"},
		{"WORKER_NOTIFY_URL=https://u:" + canary + "@shop.example/n", "WORKER_NOTIFY_URL", "must not carry a user or password"},
		{"WORKER_NOTIFY_URL=" + long + "n", "WORKER_NOTIFY_URL", "at most 256 ASCII characters, with the name of the merchant"},
	} {
		_, wrong := settings(t, oneMerchant("WORKER_PAYMENTS=on", "WORKER_NOTIFY_ADDR=127.0.0.1:0", c.set))
		if len(wrong) != 1 || wrong[0].Variable != c.variable || !strings.Contains(wrong[0].Problem, c.problem) || strings.Contains(wrong.Error(), canary) {
			t.Errorf("%s: %v, want %s: …%s…", c.set, wrong, c.variable, c.problem)
		}
	}
	if s, wrong := settings(t, oneMerchant("WORKER_PAYMENTS=on", "WORKER_NOTIFY_URL="+long+"/")); wrong != nil || s.NotifyURL != long {
		t.Errorf("%q, %v", s.NotifyURL, wrong)
	}
}

func TestNotify_AProxyThatIsEverybodyIsWarnedOf(t *testing.T) {
	for proxies, warned := range map[string]bool{"0.0.0.0/0": true, "10.0.0.1,::/0": true, "10.0.0.0/8": false} {
		s, wrong := settings(t, oneMerchant("WORKER_PAYMENTS=on", "WORKER_NOTIFY_ADDR=:0", "WORKER_NOTIFY_PROXIES="+proxies))
		if wrong != nil || warned != strings.Contains(strings.Join(s.Warnings, "\n"), "WORKER_NOTIFY_PROXIES: ") {
			t.Errorf("%s: %q, %v", proxies, s.Warnings, wrong)
		}
	}
}

func TestNotify_IsOffUnlessItHasAnAddress(t *testing.T) {
	s, wrong := settings(t, oneMerchant("WORKER_NOTIFY_PROXIES=x", "WORKER_NOTIFY_CERT_FILE=/nowhere"))
	if wrong != nil || s.Payments || s.NotifyURL != "" || s.Notify.Addr != "" {
		t.Errorf("%+v, %v", s.PaymentsSettings, wrong)
	}
}
