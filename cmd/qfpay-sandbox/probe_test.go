package main

import (
	"context"
	"errors"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/qfpay-worker/qfpay-worker/cmd/internal/setting"
	"github.com/qfpay-worker/qfpay-worker/qfpay"
	"github.com/qfpay-worker/qfpay-worker/qfpay/simulator"
)

// probeKey must appear in nothing that the probe writes.
const probeKey = "C4NARY0probe0client0key0C4NARY03"

// probed runs a probe of one pay type in a directory of its own, with more arguments.
func probed(t *testing.T, dir string, args ...string) (code int, out, stderr string) {
	t.Helper()
	key := filepath.Join(dir, "key")
	if err := os.WriteFile(key, []byte(probeKey+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	code, out, stderr = runWith(t.Context(), append([]string{"probe", "--qfpay-app-code", simulator.SampleAppCode, "--qfpay-client-key-file", key,
		"--pay-type", "800101", "--gap", "200ms", "--journal", filepath.Join(dir, "probe.ndjson"), "--write", filepath.Join(dir, "qfpay.env")}, args...)...)
	if strings.Contains(out+stderr, probeKey) {
		t.Errorf("shows the key: %s%s", out, stderr)
	}
	for _, name := range []string{"probe.ndjson", "qfpay.env"} {
		if text, err := os.ReadFile(filepath.Join(dir, name)); err == nil && strings.Contains(string(text), probeKey) {
			t.Errorf("%s has the key in it", name)
		}
	}
	return code, out, stderr
}

// gatewayAt serves a simulated gateway that has the probe's key.
func gatewayAt(t *testing.T, c simulator.Config) (*simulator.Gateway, string) {
	t.Helper()
	c.Merchants = []simulator.Account{{AppCode: simulator.SampleAppCode, Key: probeKey}}
	g := simulator.New(c)
	server := httptest.NewServer(g)
	t.Cleanup(server.Close)
	return g, server.URL
}

func TestProbe_WritesSettingsThatTheWorkerReads(t *testing.T) {
	t.Parallel()
	_, base := gatewayAt(t, simulator.Config{
		Duplicate: "1251:used\nQFPAY_SIGN_TYPE=evil", SignResponses: simulator.SignBodySHA256,
		Takes: simulator.Takes{SignTypes: map[qfpay.PayType][]qfpay.SignType{"800101": {qfpay.MD5}}, GoodsName: simulator.NamesOfSale},
	})
	dir := t.TempDir()
	code, out, stderr := probed(t, dir, "--yes", "--qfpay-base-url", base)
	if code != 0 {
		t.Fatalf("exit code %d\n%s%s", code, out, stderr)
	}
	settings, err := setting.EnvFile(filepath.Join(dir, "qfpay.env"))
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]string{
		"QFPAY_BASE_URL": base, "QFPAY_APP_CODE": simulator.SampleAppCode, "QFPAY_CLIENT_KEY_FILE": filepath.Join(dir, "key"),
		"QFPAY_SIGN_TYPE": "MD5", "QFPAY_UNIQUE_NUMBERS": "true", "QFPAY_VERIFY_RESPONSES": "strict", "QFPAY_LOST_RESPONSE": "auto", "QFPAY_GOODS_NAME": "clean",
	}
	if d := cmp.Diff(want, settings); d != "" {
		t.Error(d)
	}
	for _, want := range []string{"Alipay (800101)", "SHA256 on a create             refused", "notify_url is called           not answered", "qfpay-worker run --env-file"} {
		if !strings.Contains(out, want) {
			t.Errorf("%q is missing in\n%s", want, out)
		}
	}
	for _, want := range []string{"cost     none", "2 to 8, rarely up to 20, of 210 minor units of HKD", "create (plain, SHA256): refused: 1108"} {
		if !strings.Contains(stderr, want) {
			t.Errorf("%q is missing in\n%s", want, stderr)
		}
	}
	if code, out, stderr := probed(t, dir, "--yes", "--qfpay-base-url", base); code != 0 || !strings.Contains(stderr, "It goes on from") {
		t.Errorf("again: exit code %d\n%s%s", code, out, stderr)
	}
}

// What QFPay answers cannot move a terminal's cursor.
func TestProbe_ShowsForeignTextAsItIs(t *testing.T) {
	t.Parallel()
	_, base := gatewayAt(t, simulator.Config{Faults: simulator.Faults{"payment.respcd_1104:\x1b[2J\u202e=1": 0, "payment.respcd_1104:\x1b[2J\u202e": 1}})
	code, out, stderr := probed(t, t.TempDir(), "--yes", "--qfpay-base-url", base)
	if code != 1 || !strings.Contains(stderr, "no create has succeeded") || !strings.Contains(out, `\u001b[2J\u202e`) || strings.ContainsAny(out+stderr, "\x1b\u202e") {
		t.Errorf("exit code %d\n%q\n%q", code, out, stderr)
	}
}

func TestProbe_SendsNothingUnlessItMay(t *testing.T) {
	t.Parallel()
	g, base := gatewayAt(t, simulator.Config{})
	foreign := t.TempDir()
	if err := os.WriteFile(filepath.Join(foreign, "qfpay.env"), []byte("REDIS_URL=redis://h\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, row := range []struct {
		why, dir string
		args     []string
		says     string
	}{
		{"nobody was asked", t.TempDir(), []string{"--qfpay-base-url", base}, "this is no terminal; add --yes to begin"},
		{"a production address", t.TempDir(), []string{"--yes", "--qfpay-base-url", "https://openapi-hk.qfapi.com"}, "none of QFPay's addresses for tests, so its orders are real; add --live"},
		{"plain http", t.TempDir(), []string{"--yes", "--qfpay-base-url", "http://test-openapi-hk.qfapi.com"}, "must be https"},
		{"two keys", t.TempDir(), []string{"--yes", "--qfpay-base-url", base, "--qfpay-client-key", "x"}, "set only one of them"},
		{"nothing is set", t.TempDir(), []string{"--yes", "--qfpay-app-code", "", "--qfpay-client-key-file", ""}, "QFPAY_APP_CODE: required"},
		{"a file of somebody else", foreign, []string{"--yes", "--qfpay-base-url", base}, "is not a file that the probe has written"},
		{"a directory as journal", t.TempDir(), []string{"--yes", "--qfpay-base-url", base, "--journal", foreign}, "--journal: "},
		{"an unknown pay type", t.TempDir(), []string{"--pay-type", "999999"}, "--pay-type: must be one of"},
		{"too fast", t.TempDir(), []string{"--gap", "10ms"}, "--gap: must be 200ms to 10s"},
	} {
		code, out, stderr := probed(t, row.dir, row.args...)
		if code != 2 || !strings.Contains(stderr, row.says) || out != "" {
			t.Errorf("%s: exit code %d\n%s%s", row.why, code, out, stderr)
		}
	}
	if n := len(g.Calls()); n > 0 {
		t.Errorf("%d calls", n)
	}
}

func TestProbe_WarnsOfAKeyThatEverybodyCanRead(t *testing.T) {
	t.Parallel()
	_, base := gatewayAt(t, simulator.Config{})
	dir := t.TempDir()
	key := filepath.Join(dir, "key")
	for mode, warned := range map[os.FileMode]bool{0o644: true, 0o640: false} {
		if err := errors.Join(os.WriteFile(key, nil, 0o600), os.Chmod(key, mode)); err != nil {
			t.Fatal(err)
		}
		if _, _, stderr := probed(t, dir, "--qfpay-base-url", base); strings.Contains(stderr, "every user of the machine can read "+key) != warned {
			t.Errorf("%04o: %s", mode, stderr)
		}
	}
}

// Ctrl-C: what was found is shown, and the next run goes on.
func TestProbe_SaysHowToGoOn(t *testing.T) {
	t.Parallel()
	g, base := gatewayAt(t, simulator.Config{})
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	g.Choose(func(c simulator.Call) simulator.Fault {
		if c.Endpoint == "query" {
			cancel()
		}
		return ""
	})
	dir := t.TempDir()
	code, out, stderr := runWith(ctx, "probe", "--yes", "--qfpay-base-url", base, "--qfpay-app-code", simulator.SampleAppCode, "--qfpay-client-key", probeKey,
		"--pay-type", "800101", "--gap", "200ms", "--journal", filepath.Join(dir, "j"), "--write", filepath.Join(dir, "e"))
	if code != 1 || !strings.Contains(stderr, "Run the same command again to go on") || !regexp.MustCompile(`1 orders? may still stand(.*\n)+  800101 PROBE`).MatchString(out) {
		t.Errorf("exit code %d\n%s%s", code, out, stderr)
	}
	if _, err := os.Stat(filepath.Join(dir, "e")); err == nil {
		t.Error("settings were written")
	}
}

func TestProbe_OnlyYesIsYes(t *testing.T) {
	t.Parallel()
	for text, yes := range map[string]bool{"y\n": true, "Yes\r\n": true, "n\n": false, "\n": false, "": false, "yellow\n": false} {
		if err := answered(t.Context(), strings.NewReader(text)); (err == nil) != yes {
			t.Errorf("%q: %v", text, err)
		}
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if err := answered(ended, blocked{ended}); err == nil {
		t.Error("Ctrl-C was a yes")
	}
}

// blocked is a terminal at which nobody types until a context ends.
type blocked struct{ ctx context.Context }

func (b blocked) Read([]byte) (int, error) { <-b.ctx.Done(); return 0, context.Cause(b.ctx) }

func TestProbe_KnowsAddressesForTests(t *testing.T) {
	t.Parallel()
	for base, yes := range map[string]bool{
		"https://test-openapi-hk.qfapi.com": true, "https://openapi-int.qfapi.com": true, "https://openapi-test.qfpay.com": true,
		"http://127.0.0.1:8088": true, "https://localhost": true, "https://TEST-openapi-sg.qfapi.com": true,
		"https://openapi-hk.qfapi.com": false, "https://openapi.qfpay.com": false, "https://test-openapi-hk.qfapi.com.example": false,
		"https://gateway.internal": false, "https://xtest-openapi-hk.qfapi.com": false,
	} {
		if forTests(base) != yes {
			t.Errorf("%s: for tests: %t", base, !yes)
		}
	}
}
