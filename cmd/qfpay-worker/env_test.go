package main

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// contractSettings are the exact variables of the contract with their defaults, as users
// have them in their charts.
var contractSettings = map[string]string{
	"REDIS_URL": "redis://127.0.0.1:6379/0", "REDIS_PASSWORD_FILE": "",
	"REDIS_SENTINEL_USERNAME": "", "REDIS_SENTINEL_PASSWORD_FILE": "",
	"REDIS_TLS_CA_FILE": "", "REDIS_TLS_CERT_FILE": "", "REDIS_TLS_KEY_FILE": "",
	"QFPAY_BASE_URL": "", "QFPAY_ALLOW_HTTP": "false",
	"QFPAY_APP_CODE": "", "QFPAY_CLIENT_KEY": "", "QFPAY_CLIENT_KEY_FILE": "", "QFPAY_MCHID": "",
	"QFPAY_PROXY_URL": "", "QFPAY_PROXY_PASSWORD_FILE": "",
	"QFPAY_SIGN_TYPE": "SHA256", "QFPAY_GOODS_NAME": "clean", "QFPAY_MERCHANTS_FILE": "", "QFPAY_PER_SECOND": "100", "QFPAY_PER_MINUTE": "400",
	"QFPAY_LOST_RESPONSE": "auto", "QFPAY_UNIQUE_NUMBERS": "true", "QFPAY_TIMEOUT": "10s", "QFPAY_VERIFY_RESPONSES": "warn",
	"WORKER_CONCURRENCY": "64", "WORKER_HTTP_ADDR": "127.0.0.1:9464", "WORKER_SHUTDOWN_TIMEOUT": "25s",
	"WORKER_DURABILITY": "standard", "WORKER_RESULTS_KEEP": "168h", "WORKER_RESULTS_HIGH_WATER": "5000000",
	"WORKER_PAYMENTS": "off", "WORKER_NOTIFY_ADDR": "", "WORKER_NOTIFY_URL": "", "WORKER_NOTIFY_PROXIES": "", "WORKER_NOTIFY_CERT_FILE": "", "WORKER_NOTIFY_KEY_FILE": "",
	"WORKER_API_ADDR": "", "WORKER_API_TOKEN_FILE": "", "WORKER_API_TOKENS_FILE": "", "WORKER_API_CERT_FILE": "", "WORKER_API_KEY_FILE": "",
	"WORKER_KEY_PREFIX": "{qfpay}", "LOG_LEVEL": "info", "LOG_FORMAT": "",
}

func TestHelp_ListsEverySettingWithItsDefault(t *testing.T) {
	help := command(t, nil, "--help")
	if help.code != exitDone || help.err != "" {
		t.Fatalf("--help ended with %d and %q", help.code, help.err)
	}
	_, table, _ := strings.Cut(help.out, "default\n")
	listed := map[string]string{}
	for line := range strings.Lines(table) {
		name, value, _ := strings.Cut(strings.TrimSpace(line), " ")
		listed[name] = strings.TrimSpace(value)
	}
	if d := cmp.Diff(contractSettings, listed); d != "" {
		t.Error(d)
	}
}

func TestHelp_ShowsEverySettingAsAFlagOfRun(t *testing.T) {
	help := command(t, nil, "run", "--help")
	for name := range contractSettings {
		if !strings.Contains(help.out, "["+name+"]") {
			t.Errorf("run --help does not name %s", name)
		}
		if flag := "--" + strings.ReplaceAll(strings.ToLower(name), "_", "-") + "="; !strings.Contains(help.out, flag) {
			t.Errorf("run --help has no flag %s", flag)
		}
	}
}

func TestUsage_WrongUsageIsExplainedWithExitCode2(t *testing.T) {
	for _, tt := range []struct {
		args    []string
		says    string
		command string // whose usage is shown
	}{
		{nil, `expected one of "run", "enqueue", "results", `, "COMMAND"},
		{[]string{"go"}, "unexpected argument go", "COMMAND"},
		{[]string{"run", "--worker-concurency=1"}, "unknown flag --worker-concurency", "run [flags]"},
		{[]string{"run", "--qfpay-clientkey=" + canary}, "unknown flag --qfpay-clientkey", "run [flags]"},
		{[]string{"run", "--log-level"}, "--log-level: needs a value", ""},
		{[]string{"enqueue"}, `expected "<file>"`, "enqueue <file> [flags]"},
		{[]string{"enqueue", "--lane=fast", "-"}, `--lane: must be interactive or bulk, not "fast"`, ""},
		{[]string{"enqueue", "--merchant=a:b", "-"}, "--merchant: must be 1 to 64", ""},
		{[]string{"results", "--format=xml"}, `--format: must be table or json, not "xml"`, ""},
		{[]string{"results", "--group=g"}, "--group, --consumer: need each other", ""},
		{[]string{"results", "--group=g", "--consumer=c", "--from=1-0"}, "--from: cannot be combined with --group", ""},
		{[]string{"results", "--from=yesterday"}, "--from: must be the ID of an entry", ""},
		{[]string{"results", "--from=$"}, "--from: must be the ID of an entry", ""},
		{[]string{"results", "--qr", "--format=json"}, "--qr: requires --format=table", ""},
	} {
		got := command(t, nil, tt.args...)
		if got.code != exitInput || got.out != "" || !strings.Contains(got.err, tt.says) {
			t.Errorf("%v: exit code %d, %q, want 2 and %q", tt.args, got.code, got.err, tt.says)
		}
		if !strings.HasPrefix(tt.says, "--") && !strings.Contains(got.err, "\nqfpay-worker: Usage: qfpay-worker "+tt.command) {
			t.Errorf("%v: no usage of %q: %s", tt.args, tt.command, got.err)
		}
		if strings.Contains(got.err, canary) {
			t.Errorf("%v: a secret is shown: %s", tt.args, got.err)
		}
	}
}

func TestConfig_MisspeltVariablesAreNamed(t *testing.T) {
	got := command(t, []string{
		"QFPAY_BASEURL=" + canary, "WORKER_CONCURENCY=1", "QFPAY_CLIENTKEY=" + canary, "QFPAY_COFFEE=strong",
		"qfpay_mchid=x", "QPAY_APP_CODE=x", "WROKER_API_ADDR=x", "QFPAYTIMEOUT=1s", "redis_url=x", "WORKERS=4", "LOGLEVEL=x",
		"QFPAY_EMPTY=", "PATH=/bin", "REDIS_UR=x", "LOG_LEVLE=debug", "QFPAY_BASE_URL=x",
		// What Kubernetes injects for services called qfpay-worker and worker.
		"REDIS_PORT=tcp://10.0.0.1:6379", "REDIS_HOST=10.0.0.1", "LOG_DIR=/var/log", "QFPAY_WORKER_SERVICE_HOST=10.0.0.1", "QFPAY_WORKER_SERVICE_PORT_HTTP=9464", "WORKER_PORT=tcp://10.0.0.1:9464",
		"WORKER_PORT_9464_TCP_ADDR=10.0.0.1", "WORKER_PORT_9464_TCP=tcp://10.0.0.1:9464",
	}, "version")
	want := strings.Join([]string{
		"qfpay-worker: LOG_LEVLE is not a setting; did you mean LOG_LEVEL?",
		"qfpay-worker: QFPAYTIMEOUT is not a setting; did you mean QFPAY_TIMEOUT?",
		"qfpay-worker: QFPAY_BASEURL is not a setting; did you mean QFPAY_BASE_URL?",
		"qfpay-worker: QFPAY_CLIENTKEY is not a setting; did you mean QFPAY_CLIENT_KEY?",
		"qfpay-worker: QFPAY_COFFEE is not a setting",
		"qfpay-worker: QPAY_APP_CODE is not a setting; did you mean QFPAY_APP_CODE?",
		"qfpay-worker: REDIS_UR is not a setting; did you mean REDIS_URL?",
		"qfpay-worker: WORKER_CONCURENCY is not a setting; did you mean WORKER_CONCURRENCY?",
		"qfpay-worker: WROKER_API_ADDR is not a setting; did you mean WORKER_API_ADDR?",
		"qfpay-worker: qfpay_mchid is not a setting; did you mean QFPAY_MCHID?",
		"qfpay-worker: redis_url is not a setting; did you mean REDIS_URL?",
		"",
	}, "\n")
	if d := cmp.Diff(want, got.err); d != "" || got.code != exitDone {
		t.Errorf("exit code %d\n%s", got.code, d)
	}
}

func TestDistance_IsLevenshteins(t *testing.T) {
	for _, tt := range []struct {
		a, b string
		want int
	}{{"", "", 0}, {"", "abc", 3}, {"abc", "", 3}, {"kitten", "sitting", 3}, {"flaw", "lawn", 2}, {"same", "same", 0}} {
		if got := distance(tt.a, tt.b); got != tt.want {
			t.Errorf("distance(%q, %q) is %d, want %d", tt.a, tt.b, got, tt.want)
		}
	}
}

// docker's --env-file keeps quotes, and an editor on Windows leaves carriage returns.
func TestConfig_QuotesAroundAValueAreNamed(t *testing.T) {
	got := command(t, []string{`QFPAY_BASE_URL="https://openapi-hk.qfapi.com"`, "QFPAY_CLIENT_KEY='" + canary + "'", "WORKER_HTTP_ADDR= “:9464” ", `WORKER_CONCURRENCY="`}, "run")
	want := "qfpay-worker: QFPAY_BASE_URL: has quotes around its value, which nothing has removed; write the value without them\n" +
		"qfpay-worker: QFPAY_CLIENT_KEY: has quotes around its value, which nothing has removed; write the value without them\n" +
		"qfpay-worker: WORKER_HTTP_ADDR: has quotes around its value, which nothing has removed; write the value without them\n"
	if got.err != want && !strings.HasSuffix(want, got.err) || got.code != exitInput || strings.Contains(got.err, canary) {
		t.Errorf("got %+v", got)
	}
	if got := command(t, []string{"REDIS_URL=redis-cluster://\r", `QFPAY_APP_CODE="x"`}, "results", "--format", "JSON"); strings.Contains(got.err, "QFPAY_APP_CODE") || strings.Contains(got.err, "\\r") {
		t.Errorf("got %+v", got)
	}
}

func TestConfig_WordsAreTakenInAnyCase(t *testing.T) {
	s, wrong := settings(t, append(oneMerchant(), "LOG_LEVEL=INFO", "LOG_FORMAT=Json", "QFPAY_SIGN_TYPE=md5", "WORKER_DURABILITY=STRICT"))
	if wrong != nil || s.Log.Format != "json" || s.Merchants[0].SignType != "MD5" || s.Durability != "strict" {
		t.Errorf("%+v, %v", s, wrong)
	}
}

func TestHelp_IsAlsoACommand(t *testing.T) {
	for _, c := range [][2]string{{"help", "--help"}, {"help enqueue", "enqueue --help"}, {"help order show", "order show --help"}} {
		got, want := command(t, nil, strings.Fields(c[0])...), command(t, nil, strings.Fields(c[1])...)
		if got != want || got.code != exitDone || got.out == "" {
			t.Errorf("%s: %+v", c[0], got)
		}
	}
	if got := command(t, nil, "help", "tea"); got.code != exitInput {
		t.Errorf("help of no command: %+v", got)
	}
}

func TestVersion_IsOneLine(t *testing.T) {
	got := command(t, nil, "version")
	if flag := command(t, nil, "--version"); flag != got {
		t.Errorf("--version: %+v", flag)
	}
	if got.code != exitDone || !strings.HasPrefix(got.out, "qfpay-worker ") || !strings.Contains(got.out, "go1.") || strings.Count(got.out, "\n") != 1 {
		t.Errorf("got %+v", got)
	}
}
