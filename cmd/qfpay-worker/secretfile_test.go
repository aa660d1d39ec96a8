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
		for _, name := range fileSettings(t) {
			_, more := besides(t, name)
			env := dropped(oneMerchant(more...), strings.TrimSuffix(name, "_FILE"))
			if name == "QFPAY_MERCHANTS_FILE" {
				env = []string{"QFPAY_BASE_URL=https://h"}
			}
			_, wrong := settings(t, append(env, name+"="+path))
			if len(wrong) != 1 || !strings.HasPrefix(name, strings.Split(wrong[0].Variable, "_")[0]) || !strings.Contains(wrong[0].Problem, path+" "+problem) {
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
	open := []string{"QFPAY_MERCHANTS_FILE", "REDIS_TLS_CA_FILE", "REDIS_TLS_CERT_FILE", "WORKER_API_CERT_FILE", "WORKER_NOTIFY_CERT_FILE"}
	for _, name := range fileSettings(t) {
		if slices.Contains(open, name) {
			continue
		}
		path, more := besides(t, name)
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

// fileSettings returns the settings that name a file.
func fileSettings(t *testing.T) []string {
	t.Helper()
	var commands cli
	parser, err := newParser(&commands, env{})
	if err != nil {
		t.Fatal(err)
	}
	return slices.DeleteFunc(settingNames(parser.Model.Node), func(name string) bool { return !strings.HasSuffix(name, "_FILE") })
}

// besides returns a file that is right for a setting, and the settings that it needs beside it.
func besides(t *testing.T, name string) (path string, more []string) {
	t.Helper()
	cert, key := redistest.NewAuthority(t).Sign(t)
	token := "WORKER_API_TOKEN_FILE=" + file(t, "token", apiToken)
	api, notify := "WORKER_API_ADDR=127.0.0.1:0", []string{"WORKER_PAYMENTS=on", "WORKER_NOTIFY_ADDR=127.0.0.1:0"}
	switch name {
	case "QFPAY_PROXY_PASSWORD_FILE":
		return file(t, name, canary), []string{"QFPAY_PROXY_URL=http://u@proxy:3128"}
	case "REDIS_SENTINEL_PASSWORD_FILE":
		return file(t, name, canary), []string{"REDIS_URL=redis-sentinel://h:26379/0?master=m"}
	case "REDIS_TLS_CA_FILE":
		return cert, []string{"REDIS_URL=rediss://h"}
	case "REDIS_TLS_CERT_FILE":
		return cert, []string{"REDIS_URL=rediss://h", "REDIS_TLS_KEY_FILE=" + key}
	case "REDIS_TLS_KEY_FILE":
		return key, []string{"REDIS_URL=rediss://h", "REDIS_TLS_CERT_FILE=" + cert}
	case "WORKER_API_TOKEN_FILE":
		return file(t, name, apiToken), []string{api}
	case "WORKER_API_TOKENS_FILE":
		return file(t, name, "- name: shop\n  sha256: "+strings.Repeat("0123456789abcdef", 4)+"\n  merchants: ['*']\n"), []string{api}
	case "WORKER_API_CERT_FILE":
		return cert, []string{api, token, "WORKER_API_KEY_FILE=" + key}
	case "WORKER_API_KEY_FILE":
		return key, []string{api, token, "WORKER_API_CERT_FILE=" + cert}
	case "WORKER_NOTIFY_CERT_FILE":
		return cert, append(notify, "WORKER_NOTIFY_KEY_FILE="+key)
	case "WORKER_NOTIFY_KEY_FILE":
		return key, append(notify, "WORKER_NOTIFY_CERT_FILE="+cert)
	}
	return file(t, name, canary), nil
}
