package setting

import (
	"errors"
	"net"
	"net/url"
	"strings"
)

// BaseURL checks an address of the gateway and returns it without a trailing slash. Orders
// carry no secret except their signature, but over plain http anybody between us and the
// gateway can change an answer. So plain http is for loopback and test networks only.
func BaseURL(text string, allowHTTP bool) (string, error) {
	u, err := url.Parse(strings.TrimSpace(text))
	switch {
	case err != nil || u.Host == "" || u.Hostname() == "":
		return "", errors.New("must be an address such as https://openapi-hk.qfapi.com")
	case u.User != nil:
		return "", errors.New("must not carry a user or password")
	case strings.Trim(u.Path, "/") != "" || u.RawQuery != "" || u.Fragment != "":
		return "", errors.New("must be scheme and host alone, without a path, such as https://openapi-hk.qfapi.com")
	case u.Scheme == "https":
	case u.Scheme != "http":
		return "", errors.New("must begin with https://")
	case !allowHTTP && !Loopback(u.Hostname()):
		return "", errors.New("must be https; plain http is allowed for loopback only, or for any host with QFPAY_ALLOW_HTTP=true")
	}
	return u.Scheme + "://" + u.Host, nil
}

// Loopback reports whether a host is this machine.
func Loopback(host string) bool {
	if host == "localhost" {
		return true
	}
	ip := net.ParseIP(host)
	return ip != nil && ip.IsLoopback()
}
