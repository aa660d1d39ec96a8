package main

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/qfpay-worker/qfpay-worker/internal/redistest"
)

// A secret in the wrong variable, of any kind, is refused or accepted, and never printed.
func TestSecret_InTheWrongVariableIsNotPrinted(t *testing.T) {
	var commands cli
	parser, err := newParser(&commands, env{})
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range settingNames(parser.Model.Node) {
		for _, secret := range []string{"C4NARY0right0client0key0C4NARY01", canary, "C4NARY+/b4se64/C4NARY/Zm9vYmFyZm9v="} {
			env := append(dropped(oneMerchant("WORKER_API_ADDR=127.0.0.1:0"), name), name+"="+secret)
			if strings.HasSuffix(name, "_FILE") {
				env = dropped(env, strings.TrimSuffix(name, "_FILE"))
			}
			_, wrong := settings(t, env)
			if strings.Contains(wrong.Error(), secret) {
				t.Errorf("%s: the secret is shown: %v", name, wrong)
			}
		}
	}
	list := file(t, "merchants.yaml", "- name: "+canary+" x\n  app_code: A\n  sign_type: "+canary+"\n  client_key_file: "+canary+"\n")
	_, wrong := settings(t, []string{"QFPAY_MERCHANTS_FILE=" + list, "QFPAY_BASE_URL=https://h"})
	if len(wrong) < 3 || strings.Contains(wrong.Error(), canary) {
		t.Errorf("in the merchants file: %v", wrong)
	}
}

func TestSecret_FileThatIsNoneIsRefusedAtOnce(t *testing.T) {
	dir := t.TempDir()
	pipe := filepath.Join(dir, "pipe")
	if err := syscall.Mkfifo(pipe, 0o600); err != nil {
		t.Fatal(err)
	}
	for path, problem := range map[string]string{
		pipe:         "cannot be read: it is a pipe, not a file",
		dir:          "cannot be read: it is a directory, not a file",
		"/dev/zero":  "cannot be read: it is a device or a socket, not a file",
		dir + "/not": "cannot be read: no such file",
	} {
		for name, env := range map[string][]string{
			"REDIS_PASSWORD_FILE":   oneMerchant(),
			"QFPAY_CLIENT_KEY_FILE": dropped(oneMerchant(), "QFPAY_CLIENT_KEY"),
			"QFPAY_MERCHANTS_FILE":  {"QFPAY_BASE_URL=https://h"},
			"WORKER_API_TOKEN_FILE": oneMerchant("WORKER_API_ADDR=127.0.0.1:0"),
		} {
			_, wrong := settings(t, append(env, name+"="+path))
			if len(wrong) != 1 || wrong[0].Variable != name || !strings.Contains(wrong[0].Problem, path+" "+problem) {
				t.Errorf("%s: %v, want %s %s", name, wrong, path, problem)
			}
		}
		w := watch{config: GatewayConfig{ClientKeyFile: path, MerchantsFile: path}}
		w.digest() // a pipe does not stop it
	}
}

func TestSecret_FileThatEverybodyCanReadIsWarnedOf(t *testing.T) {
	key, token := file(t, "key", canary), file(t, "token", apiToken)
	env := append(dropped(oneMerchant("WORKER_API_ADDR=127.0.0.1:0"), "QFPAY_CLIENT_KEY"),
		"QFPAY_CLIENT_KEY_FILE="+key, "WORKER_API_TOKEN_FILE="+token, "REDIS_PASSWORD_FILE="+file(t, "pw", canary))
	for mode, warned := range map[os.FileMode]bool{0o600: false, 0o440: false, 0o644: true, 0o604: true} {
		for _, path := range []string{key, token} {
			if err := os.Chmod(path, mode); err != nil {
				t.Fatal(err)
			}
		}
		s, wrong := settings(t, env)
		text := strings.Join(s.Warnings, "\n")
		if wrong != nil || warned != (len(s.Warnings) == 2) || warned && !(strings.Contains(text, "QFPAY_CLIENT_KEY_FILE: every user of the machine can read "+key) &&
			strings.Contains(text, "WORKER_API_TOKEN_FILE")) {
			t.Errorf("%04o: %v, %q", mode, wrong, s.Warnings)
		}
	}
}

// Each setting that names a file is one of a secret, and warned of, unless it is in the list of those that
// are none.
func TestSecret_NoFileIsForgotten(t *testing.T) {
	var commands cli
	parser, err := newParser(&commands, env{})
	if err != nil {
		t.Fatal(err)
	}
	open := []string{"QFPAY_MERCHANTS_FILE", "REDIS_TLS_CA_FILE", "REDIS_TLS_CERT_FILE", "WORKER_API_CERT_FILE", "WORKER_NOTIFY_CERT_FILE"}
	cert, key := redistest.NewAuthority(t).Sign(t)
	tokens := file(t, "tokens.yaml", "- name: shop\n  sha256: "+strings.Repeat("0123456789abcdef", 4)+"\n  merchants: ['*']\n")
	secret := func(name string) (path string, more []string) {
		switch name {
		case "QFPAY_PROXY_PASSWORD_FILE":
			return file(t, name, canary), []string{"QFPAY_PROXY_URL=http://u@proxy:3128"}
		case "REDIS_SENTINEL_PASSWORD_FILE":
			return file(t, name, canary), []string{"REDIS_URL=redis-sentinel://h:26379/0?master=m"}
		case "REDIS_TLS_KEY_FILE":
			return key, []string{"REDIS_URL=rediss://h", "REDIS_TLS_CERT_FILE=" + cert}
		case "WORKER_API_TOKEN_FILE":
			return file(t, name, apiToken), []string{"WORKER_API_ADDR=127.0.0.1:0"}
		case "WORKER_API_TOKENS_FILE":
			return tokens, []string{"WORKER_API_ADDR=127.0.0.1:0"}
		case "WORKER_API_KEY_FILE":
			return key, []string{"WORKER_API_ADDR=127.0.0.1:0", "WORKER_API_TOKEN_FILE=" + file(t, "token", apiToken), "WORKER_API_CERT_FILE=" + cert}
		case "WORKER_NOTIFY_KEY_FILE":
			return key, []string{"WORKER_PAYMENTS=on", "WORKER_NOTIFY_ADDR=127.0.0.1:0", "WORKER_NOTIFY_CERT_FILE=" + cert}
		}
		return file(t, name, canary), nil
	}
	for _, name := range settingNames(parser.Model.Node) {
		if !strings.HasSuffix(name, "_FILE") || slices.Contains(open, name) {
			continue
		}
		path, more := secret(name)
		if err := os.Chmod(path, 0o644); err != nil {
			t.Fatal(err)
		}
		s, wrong := settings(t, append(dropped(oneMerchant(more...), strings.TrimSuffix(name, "_FILE")), name+"="+path))
		if wrong != nil || !slices.ContainsFunc(s.Warnings, func(w string) bool {
			return strings.HasPrefix(w, name+": every user of the machine can read "+path)
		}) {
			t.Errorf("%s: not warned of: %q, %v", name, s.Warnings, wrong)
		}
	}
}
