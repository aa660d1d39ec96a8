package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/qfpay-worker/qfpay-worker/cmd/internal/setting"
	"github.com/qfpay-worker/qfpay-worker/cmd/qfpay-sandbox/internal/probe"
	"github.com/qfpay-worker/qfpay-worker/internal/printable"
	"github.com/qfpay-worker/qfpay-worker/qfpay"
)

// ProbeCmd is `qfpay-sandbox probe`.
type ProbeCmd struct {
	BaseURL       string       `name:"qfpay-base-url" group:"Account" help:"Address of the gateway, such as https://test-openapi-hk.qfapi.com."`
	AllowHTTP     bool         `name:"qfpay-allow-http" group:"Account" help:"Allow plain http to hosts other than loopback."`
	AppCode       string       `name:"qfpay-app-code" group:"Account" help:"Public half of the credentials."`
	ClientKey     qfpay.Secret `name:"qfpay-client-key" group:"Account" help:"Secret half. Prefer the file, or the variable: other users of the machine can read a command line."`
	ClientKeyFile string       `name:"qfpay-client-key-file" group:"Account" help:"File with the secret half."`
	MchID         string       `name:"qfpay-mchid" group:"Account" help:"Only if QFPay issued one."`

	Timeout           time.Duration `name:"qfpay-timeout" group:"Account" default:"10s" help:"Timeout of one call."`
	ProxyURL          string        `name:"qfpay-proxy-url" group:"Account" help:"Proxy to the gateway: http, https or socks5, without a password."`
	ProxyPasswordFile string        `name:"qfpay-proxy-password-file" group:"Account" help:"File with the password of the proxy."`

	PayType   []string      `help:"Pay types to ask about. Default: all seven; one that the account does not have is noticed." placeholder:"800101"`
	TxAmt     int64         `name:"txamt" default:"210" help:"Amount of an order, in minor units. Above 200, or risk control may refuse it; a multiple of 10 for Octopus."`
	TxCurrCd  string        `name:"txcurrcd" default:"HKD" help:"Currency of an order."`
	NotifyURL string        `default:"https://example.com/qfpay-probe" help:"notify_url of the create that has one. Nothing is sent there, since no order is paid."`
	Gap       time.Duration `default:"500ms" help:"Time from one call to the next, 200ms to 10s."`
	Patience  time.Duration `default:"30s" help:"How long to wait for a query to show something, up to 5m."`
	Stay      bool          `help:"If a wallet refuses to close young orders, wait until they are 5 minutes old, rather than leave that to a second run."`

	Journal string `default:"qfpay-probe.ndjson" help:"File that keeps what was sent and found. The next run goes on from it."`
	Write   string `default:"qfpay.env" help:"File to write the settings to, for qfpay-worker run --env-file."`
	Yes     bool   `help:"Do not ask whether to begin."`
	Live    bool   `help:"Allow an address that is not one of QFPay's for tests. Orders there are real."`
}

// Help is shown below the flags.
func (*ProbeCmd) Help() string {
	return `Creates a few small orders for each pay type and does not show their QR codes, so that nobody can pay
them. At the end it closes them, or leaves them to run out. It says beforehand what it will do, and asks.

It finds out: which hashes are taken on a create; what a repeated out_trade_no gets; whether and when an
order whose code nobody has scanned can be closed; what a query shows, and how soon; which goods_name and
how long an out_trade_no is taken; how answers are signed. What it cannot know is "not answered".

Stopped with Ctrl-C, or by a crash, it goes on when it is run again with the same journal, and closes
what is left. The client key is neither printed nor written.`
}

// testHost matches QFPay's hosts for tests. Orders at live testing are real orders of real wallets,
// on accounts without settlement.
var testHost = regexp.MustCompile(`^(test-openapi-[a-z]+|openapi-int)\.qfapi\.com$|^openapi-test\.qfpay\.com$`)

// Validate implements kong's check of a command's flags.
func (c *ProbeCmd) Validate() error {
	var wrong []error
	for _, t := range c.PayType {
		if !qfpay.PayType(t).Known() {
			wrong = append(wrong, fmt.Errorf("--pay-type: must be one of %v, not %q", qfpay.PayTypes(), t))
		}
	}
	if c.TxAmt < 1 || c.TxAmt > 100_000 {
		wrong = append(wrong, fmt.Errorf("--txamt: must be 1 to 100000 minor units, not %d", c.TxAmt))
	}
	if c.Gap < 200*time.Millisecond || c.Gap > 10*time.Second {
		wrong = append(wrong, fmt.Errorf("--gap: must be 200ms to 10s, not %s", c.Gap))
	}
	if c.Patience < time.Second || c.Patience > 5*time.Minute {
		wrong = append(wrong, fmt.Errorf("--patience: must be 1s to 5m, not %s", c.Patience))
	}
	if c.Timeout < time.Second || c.Timeout > time.Minute {
		wrong = append(wrong, fmt.Errorf("--qfpay-timeout: must be 1s to 60s, not %s", c.Timeout))
	}
	return errors.Join(wrong...)
}

// payTypes returns the pay types to ask about.
func (c *ProbeCmd) payTypes() (types []qfpay.PayType) {
	for _, t := range c.PayType {
		if !slices.Contains(types, qfpay.PayType(t)) {
			types = append(types, qfpay.PayType(t))
		}
	}
	if types == nil {
		types = qfpay.PayTypes()
	}
	return types
}

// account checks the settings of the account, and returns a client for it. The error names every
// wrong variable.
func (c *ProbeCmd) account() (qfpay.Client, error) {
	var wrong []error
	failed := func(variable string, err error) {
		if err != nil {
			wrong = append(wrong, fmt.Errorf("%s: %w", variable, err))
		}
	}
	base, err := setting.BaseURL(c.BaseURL, c.AllowHTTP)
	failed("QFPAY_BASE_URL", err)
	if err == nil && !c.Live && !forTests(base) {
		failed("QFPAY_BASE_URL", fmt.Errorf("%s is none of QFPay's addresses for tests, so its orders are real; add --live if you mean it", base))
	}
	for variable, value := range map[string]string{"QFPAY_APP_CODE": c.AppCode, "QFPAY_MCHID": c.MchID} {
		switch {
		case value == "" && variable == "QFPAY_APP_CODE":
			failed(variable, errors.New("required: the public half of the credentials"))
		case value != "" && !setting.PlainASCII.MatchString(value):
			failed(variable, errors.New("must be printable ASCII without spaces"))
		}
	}
	key, err := c.key()
	failed("QFPAY_CLIENT_KEY_FILE", err)
	web, err := c.web()
	failed("QFPAY_PROXY_URL", err)
	if len(wrong) > 0 {
		slices.SortFunc(wrong, func(a, b error) int { return strings.Compare(a.Error(), b.Error()) })
		return qfpay.Client{}, fmt.Errorf("%w:\n%w", errInput, errors.Join(wrong...))
	}
	return qfpay.Client{
		Merchant: qfpay.Merchant{Name: "probe", BaseURL: base, AppCode: c.AppCode, Key: key, MchID: c.MchID},
		HTTP:     web, Timeout: c.Timeout, Verify: qfpay.VerifyWarn,
	}, nil
}

// forTests reports whether an address is one of QFPay's for tests, or this machine.
func forTests(base string) bool {
	u, err := url.Parse(base)
	return err == nil && (testHost.MatchString(strings.ToLower(u.Hostname())) || setting.Loopback(u.Hostname()))
}

// key returns the client key, from exactly one of two places.
func (c *ProbeCmd) key() (qfpay.Secret, error) {
	switch {
	case c.ClientKey != "" && c.ClientKeyFile != "":
		return "", errors.New("set together with QFPAY_CLIENT_KEY: set only one of them")
	case c.ClientKeyFile != "":
		return setting.ReadSecret(c.ClientKeyFile)
	case c.ClientKey != "":
		return setting.CleanSecret(string(c.ClientKey))
	}
	return "", errors.New("required: the name of a file with the secret half, or QFPAY_CLIENT_KEY with the secret itself")
}

// web returns the HTTP client, which goes through the proxy if there is one.
func (c *ProbeCmd) web() (*http.Client, error) {
	if c.ProxyURL == "" {
		return qfpay.NewHTTPClient(), nil
	}
	proxy, err := setting.ProxyURL(c.ProxyURL)
	if err != nil || c.ProxyPasswordFile == "" {
		return qfpay.NewHTTPClientVia(proxy, ""), err
	}
	password, err := setting.ReadSecret(c.ProxyPasswordFile)
	if err != nil {
		return nil, fmt.Errorf("QFPAY_PROXY_PASSWORD_FILE: %w", err)
	}
	return qfpay.NewHTTPClientVia(proxy, password), nil
}

// Run asks QFPay.
func (c *ProbeCmd) Run(ctx context.Context, std stdio) error {
	client, err := c.account()
	if err != nil {
		return err
	}
	defer client.HTTP.CloseIdleConnections()
	settings, err := openSettingsFile(c.Write)
	if err != nil {
		return fmt.Errorf("%w: --write: %w", errInput, err)
	}
	m := client.Merchant
	journal, err := probe.OpenJournal(c.Journal, probe.Account{BaseURL: m.BaseURL, AppCode: m.AppCode, MchID: m.MchID})
	if err != nil {
		return fmt.Errorf("%w: --journal: %w; name another one", errInput, err)
	}
	defer journal.Close()
	c.announce(std.err, m, journal)
	if err := c.confirm(ctx, std); err != nil {
		return err
	}
	out := printable.Writer(std.err)
	p := probe.Prober{Client: client, PayTypes: c.payTypes(), TxAmt: c.TxAmt, TxCurrCd: c.TxCurrCd, NotifyURL: c.NotifyURL,
		Gap: c.Gap, Patience: c.Patience, Stay: c.Stay, Journal: journal,
		Progress: func(o probe.Observation) {
			fmt.Fprintf(out, "%s %s %s\n", o.At.Format(time.TimeOnly), o.PayType, oneLine(o.Summary()))
		}}
	asked := p.Run(ctx)
	report := newReport(journal, c.payTypes(), time.Now())
	if err := report.write(std.out); err != nil {
		return errors.Join(asked, err)
	}
	if asked != nil {
		return fmt.Errorf("%w\nRun the same command again to go on", asked)
	}
	if !report.anything() {
		return errors.New("no create has succeeded for any pay type; the reasons stand above")
	}
	if err := settings.write(c.lines(m, report.findings)); err != nil {
		return fmt.Errorf("--write: %w", err)
	}
	_, err = fmt.Fprintf(std.out, "\nSettings are in %s: qfpay-worker run --env-file %[1]s\n", printable.String(c.Write))
	return err
}

// lines returns the file of settings. It has no secret in it.
func (c *ProbeCmd) lines(m qfpay.Merchant, findings []probe.Finding) (lines []string) {
	lines = append(lines,
		settingsHead+" on "+time.Now().UTC().Format(time.RFC3339)+", for "+m.BaseURL,
		"# Another account, or another address, may behave differently: run the probe for each.",
		"", setting.EnvLine("QFPAY_BASE_URL", m.BaseURL), setting.EnvLine("QFPAY_APP_CODE", m.AppCode))
	if m.MchID != "" {
		lines = append(lines, setting.EnvLine("QFPAY_MCHID", m.MchID))
	}
	if path, err := filepath.Abs(c.ClientKeyFile); c.ClientKeyFile != "" && err == nil {
		lines = append(lines, setting.EnvLine("QFPAY_CLIENT_KEY_FILE", path))
	} else {
		lines = append(lines, "# The client key is not written. Set QFPAY_CLIENT_KEY_FILE, or QFPAY_CLIENT_KEY.")
	}
	for _, s := range probe.Settings(findings) {
		lines = append(lines, "", "# "+s.Why)
		if s.Value == "" {
			lines = append(lines, "# "+s.Variable+" is left at its default")
			continue
		}
		lines = append(lines, setting.EnvLine(s.Variable, s.Value))
	}
	return lines
}
