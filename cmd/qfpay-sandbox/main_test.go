package main

import (
	"bytes"
	"context"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/qfpay-worker/qfpay-worker/qfpay"
	"github.com/qfpay-worker/qfpay-worker/qfpay/simulator"
	"github.com/qfpay-worker/qfpay-worker/tasks"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// runWith runs the program and returns its exit code and what it wrote.
func runWith(ctx context.Context, args ...string) (code int, out, err string) {
	var stdout, stderr bytes.Buffer
	code = run(ctx, args, &stdout, &stderr)
	return code, stdout.String(), stderr.String()
}

func TestDemo_ShowsEveryPayTypeAndAQRCode(t *testing.T) {
	t.Parallel()
	code, out, stderr := runWith(t.Context(), "demo", "--orders", "14")
	if code != 0 {
		t.Fatalf("exit code %d\n%s%s", code, out, stderr)
	}
	for _, payType := range qfpay.PayTypes() {
		if !strings.Contains(out, payType.Wallet()) {
			t.Errorf("no order of %s", payType.Wallet())
		}
	}
	for _, want := range []string{"orders=14 created=14 rejected=0 expired=0 unresolved=0", "11 orders waiting to be paid",
		"DEMO-0001  paid, seen by notification\nDEMO-0002  paid, seen by notification\nDEMO-0003  paid, seen by notification\n",
		"issued again as DEMO-0001_2", "QFPay may not", "https://qr.alipay.com/", "█▀"} {
		if !strings.Contains(out, want) {
			t.Errorf("%q is missing in\n%s", want, out)
		}
	}
	if wide := regexp.MustCompile(`(?m)^.{81,}$`).FindString(out); wide != "" {
		t.Errorf("a line is wider than 80 columns: %s", wide)
	}
}

func write(t *testing.T, text string) string {
	t.Helper()
	name := filepath.Join(t.TempDir(), "orders.csv")
	if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return name
}

const head = "merchant,out_trade_no,pay_type,txamt,txcurrcd\n"

func TestDemo_TakesAFileWithManyMerchants(t *testing.T) {
	t.Parallel()
	file := write(t, head+"north,N1,800101,2500,HKD\nsouth,S1,802001,900,HKD\nnorth,N1,800101,2500,HKD\n")
	code, out, stderr := runWith(t.Context(), "demo", file)
	if code != 0 || !strings.Contains(out, "orders=2 created=2") {
		t.Errorf("exit code %d\n%s%s", code, out, stderr)
	}
}

// What is wrong in a file is named by line, and the good rows go through.
func TestDemo_NamesBadRowsAndGoesOn(t *testing.T) {
	t.Parallel()
	code, out, stderr := runWith(t.Context(), "demo", write(t, head+",A1,800101,2500,HKD\n,A2,999999,2500,HKD\n"))
	if code != 2 || !strings.Contains(out, "created=1") || !strings.Contains(stderr, "line 3: pay_type") {
		t.Errorf("exit code %d\n%s%s", code, out, stderr)
	}
}

func TestUsage_WrongUsageEndsWithTwo(t *testing.T) {
	for name, args := range map[string][]string{
		"no command":          {},
		"an unknown command":  {"dmeo"},
		"a missing file":      {"demo", filepath.Join(t.TempDir(), "nowhere.csv")},
		"no orders":           {"demo", "--orders", "0"},
		"only bad rows":       {"demo", write(t, head+",A1,999999,1,HKD\n")},
		"a wrong column":      {"demo", write(t, "out_trade_no,colour\nA1,red\n")},
		"other content":       {"demo", write(t, head+",A1,800101,1,HKD\n,A1,800101,2,HKD\n")},
		"a fault not known":   {"simulator", "--fault", "gremlins=0.5"},
		"a probability above": {"simulator", "--fault", "drop=1.5"},
		"a fault elsewhere":   {"simulator", "--fault", "query.code_url=1"},
		"no such Retry-After": {"simulator", "--retry-after", "soon"},
		"no answer to repeat": {"simulator", "--duplicate", "1103"},
		"no merchant":         {"simulator", "--merchants", "0"},
		"a negative limit":    {"simulator", "--per-second=-1"},
		"more than all pay":   {"simulator", "--pay", "1.5"},
		"before it is made":   {"simulator", "--pay", "1", "--pay-after", "2s-1s"},
		"an unknown hash":     {"simulator", "--create-sign", "SHA1"},
		"a longer number":     {"simulator", "--max-number", "129"},
	} {
		if code, _, stderr := runWith(t.Context(), args...); code != 2 || !strings.HasPrefix(stderr, "qfpay-sandbox: ") && !strings.HasPrefix(stderr, "line ") {
			t.Errorf("%s: exit code %d, says %q", name, code, stderr)
		}
	}
}

// Neither what was typed nor what a file or QFPay says moves a terminal's cursor.
func TestUsage_ShowsHiddenCharactersAsEscapes(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	const hidden = "\x1b[2J\u202e"
	for name, args := range map[string][]string{
		"an argument":  {hidden},
		"a file":       {"demo", filepath.Join(t.TempDir(), hidden+".csv")},
		"a flag":       {"simulator", "--duplicate", hidden},
		"a fault":      {"simulator", "--addr", "127.0.0.1:0", "--fault", "respcd_1104:" + hidden + "=1"},
		"the probe's":  {"probe", "--yes", "--qfpay-base-url", hidden},
		"another file": {"probe", "--yes", "--qfpay-client-key-file", "/etc/" + hidden},
	} {
		if _, out, stderr := runWith(ctx, args...); strings.ContainsAny(out+stderr, "\x1b\u202e") || !strings.Contains(stderr, "qfpay-sandbox: ") && !strings.Contains(stderr, `\u202e`) {
			t.Errorf("%s: %q", name, out+stderr)
		}
	}
}

func TestDemo_SaysThatItWasStopped(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithTimeout(t.Context(), 500*time.Millisecond)
	defer cancel()
	code, _, stderr := runWith(ctx, "demo", "--orders", "2000") // limits alone make that minutes
	if code != 1 || !strings.HasPrefix(stderr, "qfpay-sandbox: ") {
		t.Errorf("exit code %d, says %q", code, stderr)
	}
}

func TestSimulator_EndsWhenItIsTold(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	time.AfterFunc(100*time.Millisecond, cancel)
	code, _, stderr := runWith(ctx, "simulator", "--addr", "127.0.0.1:0", "--fault", "payment.drop=0.5,reset=0.1", "--latency", "1ms-2ms")
	if code != 0 || !strings.Contains(stderr, "http://127.0.0.1:") || !strings.Contains(stderr, "payment.drop=0.5 reset=0.1") {
		t.Errorf("exit code %d, says %q", code, stderr)
	}
}

func TestSimulator_SaysThatItsPortIsTaken(t *testing.T) {
	t.Parallel()
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	code, _, stderr := runWith(t.Context(), "simulator", "--addr", taken.Addr().String())
	if code != 1 || !strings.Contains(stderr, "--addr") {
		t.Errorf("exit code %d, says %q", code, stderr)
	}
}

func TestSimulator_HelpListsEveryFault(t *testing.T) {
	code, out, _ := runWith(t.Context(), "simulator", "--help")
	if code != 0 {
		t.Fatalf("exit code %d", code)
	}
	for _, line := range simulator.FaultList() {
		if !strings.Contains(out, line) {
			t.Errorf("%q is missing", line)
		}
	}
}

// Odd modes are taken by the program as it stands.
func TestSimulator_TakesOddModes(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	time.AfterFunc(100*time.Millisecond, cancel)
	code, _, stderr := runWith(ctx, "simulator", "--addr", "127.0.0.1:0", "--fault", "payment.respcd_1104:filter error@800201=1",
		"--fault", "http_403_after@A17*=0.5", "--retry-after", "date", "--duplicate", "1251:订单号重复",
		"--pay", "0.6", "--pay-after", "1s-20s", "--pay-again", "0.01", "--pay-late", "0.05", "--refund", "0.1", "--fault", "notify_lost=0.2,notify_forged=1",
		"--create-sign", "MD5", "--goods-name", "letters", "--max-number", "32", "--no-notify-url")
	if code != 0 || !strings.Contains(stderr, "filter error@800201=1 http_403_after@A17*=0.5") {
		t.Errorf("exit code %d, says %q", code, stderr)
	}
}

func TestUsage_HelpAndVersionAreShown(t *testing.T) {
	if code, out, _ := runWith(t.Context(), "--help"); code != 0 || !strings.Contains(out, "demo") || !strings.Contains(out, "simulator") {
		t.Errorf("exit code %d: %s", code, out)
	}
	for _, args := range [][]string{{"--version"}, {"help", "demo"}} {
		if code, out, stderr := runWith(t.Context(), args...); code != 0 || !strings.Contains(out, "qfpay-sandbox ") || stderr != "" {
			t.Errorf("%v: %d, %q, %q", args, code, out, stderr)
		}
	}
	if code, out, _ := runWith(t.Context(), "version"); code != 0 || !strings.HasPrefix(out, "qfpay-sandbox ") {
		t.Errorf("exit code %d: %s", code, out)
	}
}

func TestSample_IsValid(t *testing.T) {
	for _, o := range sampleOrders(200) {
		if err := o.WithDefaults(time.Now()).Validate(); err != nil {
			t.Errorf("%s: %v", o.OutTradeNo, err)
		}
	}
	if lanes := tasks.Lanes(); sampleOrders(1)[0].Lane != lanes[0] {
		t.Error("no order of the sample is interactive")
	}
}
