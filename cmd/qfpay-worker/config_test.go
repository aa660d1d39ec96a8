package main

import (
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/qfpay-worker/qfpay-worker/cmd/internal/setting"
	"github.com/qfpay-worker/qfpay-worker/qfpay"
	"github.com/qfpay-worker/qfpay-worker/tasks"
	"github.com/qfpay-worker/qfpay-worker/worker"
)

// canary is a secret that no output may contain.
const canary = "CANARY5c1f0e"

// settings resolves an environment and flags as the command run does.
func settings(t *testing.T, env []string, flags ...string) (Settings, SettingErrors) {
	t.Helper()
	var commands cli
	parser, err := newParser(&commands, parseEnv(env))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := parser.Parse(append([]string{"run"}, flags...)); err != nil {
		t.Fatal(err)
	}
	s, err := commands.Run.Config.Resolve()
	var wrong SettingErrors
	if err != nil && !errors.As(err, &wrong) {
		t.Fatalf("the error is a %T: %v", err, err)
	}
	return s, wrong
}

// oneMerchant is the smallest configuration of the worker.
func oneMerchant(more ...string) []string {
	return append([]string{
		"QFPAY_BASE_URL=https://openapi-hk.qfapi.com", "QFPAY_APP_CODE=APP1", "QFPAY_CLIENT_KEY=" + canary,
	}, more...)
}

func TestConfig_MissingSettingsTakeTheDefaults(t *testing.T) {
	s, wrong := settings(t, oneMerchant())
	if wrong != nil {
		t.Fatal(wrong)
	}
	if got, want := s.Redis.String(), "redis://127.0.0.1:6379/0"; got != want {
		t.Errorf("Redis is %s, want %s", got, want)
	}
	s.Redis = Redis{}
	want := Settings{
		Keys: tasks.Keys{Prefix: "{qfpay}"},
		GatewaySettings: GatewaySettings{Merchants: []worker.Merchant{{
			Merchant: qfpay.Merchant{Name: "default", BaseURL: "https://openapi-hk.qfapi.com", AppCode: "APP1",
				Key: canary, SignType: qfpay.SHA256},
			PerSecond: 100, PerMinute: 400,
		}},
			LostResponse: "auto", UniqueNumbers: true, Timeout: 10 * time.Second, Verify: qfpay.VerifyWarn, GoodsName: tasks.CleanName},
		Concurrency: 64, HTTPAddr: "127.0.0.1:9464", ShutdownTimeout: 25 * time.Second,
		Durability: tasks.Standard, ResultsKeep: 168 * time.Hour, HighWater: 5_000_000,
		Log: LogSettings{Level: slog.LevelInfo},
	}
	if d := cmp.Diff(want, s, cmp.AllowUnexported(Redis{}, url.Userinfo{})); d != "" {
		t.Error(d)
	}
}

func TestConfig_EverySettingIsRead(t *testing.T) {
	s, wrong := settings(t, []string{
		"REDIS_URL=redis-cluster://a:1,b:2", "QFPAY_BASE_URL=http://10.0.0.1:8088/", "QFPAY_ALLOW_HTTP=true",
		"QFPAY_APP_CODE=APP2", "QFPAY_CLIENT_KEY_FILE=" + file(t, "key", " "+canary+"\n"), "QFPAY_MCHID=M1",
		"QFPAY_SIGN_TYPE=MD5", "QFPAY_PER_SECOND=0", "QFPAY_PER_MINUTE=1200", "QFPAY_LOST_RESPONSE=unresolved",
		"QFPAY_UNIQUE_NUMBERS=false", "QFPAY_GOODS_NAME=asis", "QFPAY_TIMEOUT=1s", "QFPAY_VERIFY_RESPONSES=require", "WORKER_CONCURRENCY=1",
		"QFPAY_PROXY_URL=socks5://shop@proxy.internal:1080/", "QFPAY_PROXY_PASSWORD_FILE=" + file(t, "proxy", canary),
		"WORKER_HTTP_ADDR=:0", "WORKER_SHUTDOWN_TIMEOUT=2s", "WORKER_DURABILITY=strict", "WORKER_RESULTS_KEEP=48h", "WORKER_RESULTS_HIGH_WATER=1000", "WORKER_KEY_PREFIX={eu-1}", "LOG_LEVEL=debug", "LOG_FORMAT=text",
	})
	if wrong != nil {
		t.Fatal(wrong)
	}
	s.Redis = Redis{address: s.Redis.address}
	want := Settings{
		Redis: Redis{address: "redis-cluster://a:1,b:2"}, Keys: tasks.Keys{Prefix: "{eu-1}"},
		GatewaySettings: GatewaySettings{Merchants: []worker.Merchant{{
			Merchant: qfpay.Merchant{Name: "default", BaseURL: "http://10.0.0.1:8088", AppCode: "APP2",
				Key: canary, MchID: "M1", SignType: qfpay.MD5},
			PerSecond: 0, PerMinute: 1200,
		}},
			LostResponse: "unresolved", Timeout: time.Second, Verify: qfpay.VerifyAlways, GoodsName: tasks.AsIsName,
			Proxy: &url.URL{Scheme: "socks5", User: url.User("shop"), Host: "proxy.internal:1080", Path: "/"}, ProxyPassword: canary},
		Concurrency: 1, HTTPAddr: ":0", ShutdownTimeout: 2 * time.Second,
		Durability: tasks.Strict, ResultsKeep: 48 * time.Hour, HighWater: 1000,
		Log: LogSettings{Level: slog.LevelDebug, Format: "text"},
	}
	if d := cmp.Diff(want, s, cmp.AllowUnexported(Redis{}, url.Userinfo{})); d != "" {
		t.Error(d)
	}
}

func TestConfig_TheProxysPasswordComesFromAFile(t *testing.T) {
	for _, c := range []struct{ url, file, variable, problem string }{
		{"http://u@proxy:3128", file(t, "empty", " "), "QFPAY_PROXY_PASSWORD_FILE", "is empty"},
		{"http://u@proxy:3128", "/nowhere", "QFPAY_PROXY_PASSWORD_FILE", "cannot be read"},
		{"http://proxy:3128", file(t, "password", canary), "QFPAY_PROXY_URL", "must carry the user"},
	} {
		var found checks
		GatewayConfig{ProxyURL: c.url, ProxyPasswordFile: c.file}.proxy(&found)
		if len(found.wrong) != 1 || found.wrong[0].Variable != c.variable || !strings.Contains(found.wrong[0].Problem, c.problem) {
			t.Errorf("%s: %v, want %s: …%s…", c.url, found.wrong, c.variable, c.problem)
		}
	}
}

func TestConfig_EveryWrongSettingIsNamed(t *testing.T) {
	empty := file(t, "empty", " \n")
	long := file(t, "long", strings.Repeat("k", setting.MaxSecret+1))
	none := file(t, "none", "")
	cert, key := pair(t)
	binary := file(t, "binary", "\xef\xbb\xbf"+canary) // a byte order mark
	for _, tt := range []struct {
		set, variable, problem string
	}{
		{"REDIS_URL=127.0.0.1:6379", "REDIS_URL", "must begin with redis://"},
		{"REDIS_URL=redis://h/zero", "REDIS_URL", "invalid database number"},
		{"REDIS_PASSWORD_FILE=/nowhere/pw", "REDIS_PASSWORD_FILE", "/nowhere/pw cannot be read: no such file"},
		{"REDIS_PASSWORD_FILE=" + none, "REDIS_PASSWORD_FILE", "is empty"},
		{"REDIS_PASSWORD_FILE=" + long, "REDIS_PASSWORD_FILE", "is longer than"},
		{"REDIS_SENTINEL_PASSWORD_FILE=" + key, "REDIS_SENTINEL_PASSWORD_FILE", "names no Sentinels"},
		{"REDIS_SENTINEL_PASSWORD_FILE=/nowhere/pw", "REDIS_SENTINEL_PASSWORD_FILE", "no such file"},
		{"REDIS_SENTINEL_USERNAME=u", "REDIS_SENTINEL_USERNAME", "names no Sentinels"},
		{"REDIS_TLS_CA_FILE=" + cert, "REDIS_TLS_CA_FILE", "has no TLS: use rediss://"},
		{"REDIS_TLS_CA_FILE=" + key, "REDIS_TLS_CA_FILE", "has no certificate in PEM"},
		{"REDIS_TLS_CA_FILE=/nowhere/ca", "REDIS_TLS_CA_FILE", "/nowhere/ca cannot be read: no such file"},
		{"REDIS_TLS_CERT_FILE=" + cert, "REDIS_TLS_KEY_FILE", "required with REDIS_TLS_CERT_FILE"},
		{"REDIS_TLS_KEY_FILE=" + key, "REDIS_TLS_CERT_FILE", "required with REDIS_TLS_KEY_FILE"},
		{"WORKER_DURABILITY=paranoid", "WORKER_DURABILITY", "must be standard or strict"},
		{"WORKER_RESULTS_KEEP=7", "WORKER_RESULTS_KEEP", "must be a duration"},
		{"WORKER_RESULTS_KEEP=1m", "WORKER_RESULTS_KEEP", "must be a duration"},
		{"WORKER_RESULTS_HIGH_WATER=-1", "WORKER_RESULTS_HIGH_WATER", "whole number"},
		{"WORKER_KEY_PREFIX=qfpay", "WORKER_KEY_PREFIX", "in braces"},                   // no hash tag
		{"WORKER_KEY_PREFIX={a}{b}", "WORKER_KEY_PREFIX", "in braces"},                  // two of them
		{"WORKER_KEY_PREFIX={}", "WORKER_KEY_PREFIX", "in braces"},                      // Redis hashes all of an empty tag's key
		{"WORKER_KEY_PREFIX={a:b}", "WORKER_KEY_PREFIX", "in braces"},                   // would look like two parts of a key
		{"QFPAY_BASE_URL=openapi-hk.qfapi.com", "QFPAY_BASE_URL", "must be an address"}, // no scheme
		{"QFPAY_BASE_URL=http://openapi-hk.qfapi.com", "QFPAY_BASE_URL", "must be https"},
		{"QFPAY_BASE_URL=https://openapi-hk.qfapi.com/trade/v1", "QFPAY_BASE_URL", "without a path"},
		{"QFPAY_PROXY_URL=proxy:3128", "QFPAY_PROXY_URL", "must be an address"},
		{"QFPAY_PROXY_URL=ftp://proxy:3128", "QFPAY_PROXY_URL", "must be an address"},
		{"QFPAY_PROXY_URL=http://proxy:3128/path", "QFPAY_PROXY_URL", "without a path"},
		{"QFPAY_PROXY_URL=http://u:" + canary + "@proxy:3128", "QFPAY_PROXY_URL", "must not carry a password"},
		{"QFPAY_PROXY_PASSWORD_FILE=" + empty, "QFPAY_PROXY_PASSWORD_FILE", "needs QFPAY_PROXY_URL"},
		{"QFPAY_ALLOW_HTTP=perhaps", "QFPAY_ALLOW_HTTP", "must be true or false"},
		{"QFPAY_APP_CODE=A B", "QFPAY_APP_CODE", "without spaces"},
		{"QFPAY_MCHID=商戶", "QFPAY_MCHID", "printable ASCII"},
		{"QFPAY_CLIENT_KEY_FILE=" + empty, "QFPAY_CLIENT_KEY", "only one of them"}, // set beside the key itself
		{"QFPAY_CLIENT_KEY=" + canary + " x", "QFPAY_CLIENT_KEY", "without spaces"},
		{"-QFPAY_CLIENT_KEY QFPAY_CLIENT_KEY_FILE=" + empty, "QFPAY_CLIENT_KEY_FILE", empty + ": is empty"},
		{"-QFPAY_CLIENT_KEY QFPAY_CLIENT_KEY_FILE=" + long, "QFPAY_CLIENT_KEY_FILE", "is longer than"},
		{"-QFPAY_CLIENT_KEY QFPAY_CLIENT_KEY_FILE=" + binary, "QFPAY_CLIENT_KEY_FILE", "printable ASCII"},
		{"-QFPAY_CLIENT_KEY QFPAY_CLIENT_KEY_FILE=/nowhere/key", "QFPAY_CLIENT_KEY_FILE", "no such file"},
		{"-QFPAY_CLIENT_KEY QFPAY_CLIENT_KEY_FILE=/", "QFPAY_CLIENT_KEY_FILE", "/ cannot be read"}, // a directory
		{"-QFPAY_CLIENT_KEY", "QFPAY_CLIENT_KEY", "required"},
		{"-QFPAY_APP_CODE", "QFPAY_APP_CODE", "required"},
		{"-QFPAY_BASE_URL", "QFPAY_BASE_URL", "required"},
		{"QFPAY_MERCHANTS_FILE=/nowhere/m.yaml", "QFPAY_APP_CODE", "set together with QFPAY_MERCHANTS_FILE"},
		{"QFPAY_SIGN_TYPE=sha1", "QFPAY_SIGN_TYPE", "SHA256 or MD5"},
		{"QFPAY_PER_SECOND=-1", "QFPAY_PER_SECOND", "from 0 to"},
		{"QFPAY_PER_MINUTE=400.5", "QFPAY_PER_MINUTE", "whole number"},
		{"QFPAY_LOST_RESPONSE=close", "QFPAY_LOST_RESPONSE", "auto, reissue or unresolved"},
		{"QFPAY_UNIQUE_NUMBERS=ja", "QFPAY_UNIQUE_NUMBERS", "true or false"},
		{"QFPAY_TIMEOUT=10", "QFPAY_TIMEOUT", "must be a duration"}, // of what?
		{"QFPAY_TIMEOUT=999ms", "QFPAY_TIMEOUT", "from 1s to 60s"},
		{"QFPAY_TIMEOUT=61s", "QFPAY_TIMEOUT", "from 1s to 60s"},
		{"QFPAY_VERIFY_RESPONSES=yes", "QFPAY_VERIFY_RESPONSES", "off, warn, strict or require"},
		{"WORKER_CONCURRENCY=0", "WORKER_CONCURRENCY", "from 1 to 10000"},
		{"WORKER_CONCURRENCY=10001", "WORKER_CONCURRENCY", "from 1 to 10000"},
		{"WORKER_HTTP_ADDR=9464", "WORKER_HTTP_ADDR", "host:port"},
		{"WORKER_HTTP_ADDR=:metrics", "WORKER_HTTP_ADDR", "host:port"},
		{"WORKER_HTTP_ADDR=:70000", "WORKER_HTTP_ADDR", "host:port"},
		{"WORKER_SHUTDOWN_TIMEOUT=10s", "WORKER_SHUTDOWN_TIMEOUT", "longer than QFPAY_TIMEOUT (10s)"},
		{"WORKER_SHUTDOWN_TIMEOUT=soon", "WORKER_SHUTDOWN_TIMEOUT", "must be a duration"},
		{"WORKER_API_ADDR=9465", "WORKER_API_ADDR", "host:port, such as 127.0.0.1:9465"},
		{"WORKER_API_ADDR=127.0.0.1:9465", "WORKER_API_TOKEN_FILE", "required with WORKER_API_ADDR"},
		{"LOG_LEVEL=trace", "LOG_LEVEL", "debug, info, warn or error"},
		{"LOG_FORMAT=xml", "LOG_FORMAT", "text or json"},
	} {
		t.Run(tt.set, func(t *testing.T) {
			_, wrong := settings(t, changed(tt.set))
			text := wrong.Error()
			if len(wrong) == 0 || wrong[0].Variable != tt.variable || !strings.Contains(wrong[0].Problem, tt.problem) {
				t.Errorf("got %q, want %s: …%s…", text, tt.variable, tt.problem)
			}
			if strings.Contains(text, canary) {
				t.Errorf("the key is shown: %s", text)
			}
		})
	}
}

// changed is the smallest configuration with settings changed: "-NAME" removes one.
func changed(set string) []string {
	env := oneMerchant()
	if without, rest, ok := strings.Cut(set, " "); ok && strings.HasPrefix(without, "-") {
		return append(dropped(env, without[1:]), rest)
	}
	if strings.HasPrefix(set, "-") {
		return dropped(env, set[1:])
	}
	return append(env, set)
}

func dropped(env []string, name string) []string {
	var kept []string
	for _, pair := range env {
		if !strings.HasPrefix(pair, name+"=") {
			kept = append(kept, pair)
		}
	}
	return kept
}

func TestConfig_WrongSettingsAreReportedTogetherBeforeAnythingStarts(t *testing.T) {
	got := command(t, []string{"QFPAY_TIMEOUT=ten", "LOG_LEVEL=loud", "WORKER_CONCURRENCY=many", "REDIS_URL=redis//h"}, "run")
	want := ended{code: exitInput, err: strings.Join([]string{
		"qfpay-worker: REDIS_URL: must begin with redis://, rediss://, unix://, redis-sentinel:// or redis-cluster://",
		`qfpay-worker: LOG_LEVEL: must be debug, info, warn or error, not "loud"`,
		"qfpay-worker: QFPAY_BASE_URL: required: the address of the gateway, such as https://openapi-hk.qfapi.com",
		"qfpay-worker: QFPAY_APP_CODE: required (or QFPAY_MERCHANTS_FILE, for many merchants)",
		"qfpay-worker: QFPAY_CLIENT_KEY: required, or QFPAY_CLIENT_KEY_FILE with the name of a file that contains it",
		`qfpay-worker: QFPAY_TIMEOUT: must be a duration from 1s to 60s, such as 10s, not "ten"`,
		`qfpay-worker: WORKER_CONCURRENCY: must be a whole number from 1 to 10000, not "many"`,
		"",
	}, "\n")}
	if d := cmp.Diff(want, got, cmp.AllowUnexported(ended{})); d != "" {
		t.Error(d)
	}
}

func TestConfig_FlagGoesBeforeItsVariable(t *testing.T) {
	s, wrong := settings(t, oneMerchant("WORKER_CONCURRENCY=7"), "--worker-concurrency=8")
	if wrong != nil || s.Concurrency != 8 {
		t.Errorf("concurrency is %d (%v), want the flag's 8", s.Concurrency, wrong)
	}
}

func TestConfig_EmptyVariableIsNotSet(t *testing.T) {
	s, wrong := settings(t, oneMerchant("WORKER_CONCURRENCY=", "QFPAY_MCHID=", "QFPAY_MERCHANTS_FILE=", "LOG_FORMAT="))
	if wrong != nil || s.Concurrency != 64 {
		t.Errorf("concurrency is %d (%v), want the default 64", s.Concurrency, wrong)
	}
}

func TestConfig_PlainHTTPIsForLoopback(t *testing.T) {
	for _, tt := range []struct {
		url   string
		allow bool
		want  string // empty: refused
	}{
		{"https://openapi-hk.qfapi.com", false, "https://openapi-hk.qfapi.com"},
		{"https://openapi-hk.qfapi.com/", false, "https://openapi-hk.qfapi.com"},
		{"http://localhost:8088", false, "http://localhost:8088"},
		{"http://127.3.2.1:8088", false, "http://127.3.2.1:8088"}, // all of 127/8 is loopback
		{"http://[::1]:8088", false, "http://[::1]:8088"},
		{"http://simulator:8088", false, ""},
		{"http://simulator:8088", true, "http://simulator:8088"},
		{"http://localhost.example.com", false, ""}, // only looks like loopback
		{"http://127.0.0.1.example.com", false, ""},
		{"ftp://127.0.0.1", true, ""},
		{"https://u:" + canary + "@h", false, ""},
		{"https://h?x=1", false, ""},
		{"https:///trade", false, ""},
		{"https://", false, ""},
		{"", false, ""},
	} {
		got, err := baseURL(tt.url, tt.allow)
		if (err == nil) != (tt.want != "") || err == nil && got != tt.want {
			t.Errorf("%q, allow %t: %q, %v, want %q", tt.url, tt.allow, got, err, tt.want)
		}
		if err != nil && strings.Contains(err.Error(), canary) {
			t.Errorf("%q: the password is shown: %v", tt.url, err)
		}
	}
}

func TestConfig_SettingsDoNotPrintSecrets(t *testing.T) {
	s, wrong := settings(t, oneMerchant("REDIS_URL=redis://user:"+canary+"@h:1/0"))
	if wrong != nil {
		t.Fatal(wrong)
	}
	if s.Merchants[0].Key != canary || s.Redis.single.Password != canary {
		t.Fatal("the secrets were not read")
	}
	var c GatewayConfig
	c.ClientKey = canary
	for _, verb := range []string{"%v", "%+v", "%#v", "%s"} {
		if text := fmt.Sprintf(verb+verb, s, c); strings.Contains(text, canary) {
			t.Errorf("%s shows a secret: %s", verb, text)
		}
	}
}
