package setting

import (
	"errors"
	"net/url"
	"slices"
	"strings"
)

// ProxyURL checks the address of a proxy to the gateway. A password in it is refused, and not shown:
// a URL is printed too easily.
func ProxyURL(text string) (*url.URL, error) {
	u, err := url.Parse(strings.TrimSpace(text))
	if err != nil || u.Hostname() == "" || !slices.Contains([]string{"http", "https", "socks5"}, u.Scheme) ||
		strings.Trim(u.Path, "/") != "" || u.RawQuery != "" || u.Fragment != "" {
		return nil, errors.New("must be an address such as http://proxy.internal:3128, https://… or socks5://…, without a path")
	}
	if _, has := u.User.Password(); has {
		return nil, errors.New("must not carry a password; put it into the file that QFPAY_PROXY_PASSWORD_FILE names")
	}
	return u, nil
}
