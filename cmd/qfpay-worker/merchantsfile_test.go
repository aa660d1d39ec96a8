package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/qfpay-worker/qfpay-worker/qfpay"
	"github.com/qfpay-worker/qfpay-worker/worker"
)

// merchants writes a merchants file with a key file beside it and resolves both.
func merchants(t *testing.T, yaml string, env ...string) (string, Settings, SettingErrors) {
	t.Helper()
	path := file(t, "merchants.yaml", yaml)
	for name, key := range map[string]string{"a.key": canary, "n.key": canary + "-n"} {
		if err := os.WriteFile(filepath.Join(filepath.Dir(path), name), []byte(key+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	s, wrong := settings(t, append(env, "QFPAY_MERCHANTS_FILE="+path))
	return path, s, wrong
}

func TestMerchantsFile_TakesItsDefaultsFromTheVariables(t *testing.T) {
	_, s, wrong := merchants(t, `
- name: shop-a
  app_code: A1
  client_key_file: a.key
- name: shop_b
  base_url: https://openapi-jp.qfapi.com
  app_code: "0123"
  client_key_file: a.key
  mchid: "000123"
  sign_type: SHA256
  per_second: 0
  per_minute: 60
  notify_key_file: n.key
`, "QFPAY_BASE_URL=https://openapi-hk.qfapi.com", "QFPAY_SIGN_TYPE=MD5", "QFPAY_PER_SECOND=20", "QFPAY_PER_MINUTE=300")
	if wrong != nil {
		t.Fatal(wrong)
	}
	want := []worker.Merchant{{
		Merchant:  qfpay.Merchant{Name: "shop-a", BaseURL: "https://openapi-hk.qfapi.com", AppCode: "A1", Key: canary, SignType: qfpay.MD5},
		PerSecond: 20, PerMinute: 300,
	}, {
		Merchant: qfpay.Merchant{Name: "shop_b", BaseURL: "https://openapi-jp.qfapi.com", AppCode: "0123", Key: canary,
			MchID: "000123", SignType: qfpay.SHA256, NotifyKey: canary + "-n"},
		PerSecond: 0, PerMinute: 60,
	}}
	if d := cmp.Diff(want, s.Merchants); d != "" {
		t.Error(d)
	}
	if one, own := s.Merchants[0], s.Merchants[1]; one.KeyOfNotifications() != one.Key || own.KeyOfNotifications() != own.NotifyKey {
		t.Error("a notification is verified with another key")
	}
}

// right is a valid entry; text that is added to it begins on line 5.
const right = `- name: a
  base_url: https://h
  app_code: A
  client_key_file: a.key
`

func TestMerchantsFile_EveryWrongEntryIsNamedByItsLine(t *testing.T) {
	for _, tt := range []struct {
		name, yaml string
		want       []string // one problem each, behind the name of the file
	}{
		{"an empty file", "", []string{": has no merchants"}},
		{"an empty list", "[]\n", []string{": has no merchants"}},
		{"not a list", "name: a\n", []string{", line 1: not valid"}},
		{"a list of words", "- a\n- b\n", []string{", line 1: ", ", line 2: "}},
		{"a hyphen alone", "-", []string{", line 1: not valid"}},
		{"invalid YAML", "- name: [\n", []string{", line 1: not valid"}},
		{"a second list behind the first", right + "---\n" + right, []string{", line 1: not valid"}},
		{"an unknown key", right + "  per_hour: 9\n", []string{`, line 5: unknown field "per_hour"; known are name,`}},
		{"the key itself", right + "  client_key: " + canary + "\n", []string{", line 5: client_key: this file must not contain keys"}},
		{"a key twice", right + "  app_code: B\n", []string{", line 5: "}},
		{"a limit that is not a number", right + "  per_second: " + canary + "\n", []string{", line 5: the value has the wrong type"}},
		{"a negative limit", right + "  per_second: -1\n  per_minute: 1000000\n",
			[]string{", line 1: per_second: must be from 0", ", line 1: per_minute: must be from 0"}},
		{"a sign type", right + "  sign_type: SHA1\n", []string{", line 1: sign_type: must be SHA256 or MD5"}},
		{"an mchid", right + "  mchid: a b\n", []string{", line 1: mchid: must be printable"}},
		{"plain http", strings.Replace(right, "https", "http", 1), []string{", line 1: base_url: must be https"}},
		{"nothing but a name", "- name: a b\n", []string{
			", line 1: base_url: required", ", line 1: client_key_file: required", ", line 1: name: must be", ", line 1: app_code: required"}},
		{"a key file that is not there", strings.Replace(right, "a.key", "b.key", 1), []string{", line 1: client_key_file: "}},
		{"a notification key file that is not there", right + "  notify_key_file: b.key\n", []string{", line 1: notify_key_file: "}},
		{"a notification key file with a merchants file in it", right + "  notify_key_file: merchants.yaml\n", []string{", line 1: notify_key_file: "}},
		{"the same name twice", right + right, []string{`, line 5: name: "a" is already used on line 1`}},
		{"one app_code with two limits", right + strings.Replace(right, "name: a", "name: b", 1) + "  per_minute: 9\n",
			[]string{", line 5: per_second, per_minute: merchants of one app_code share one budget"}},
		{"a fault in two entries", strings.Replace(right, "a.key", "", 1) + strings.Replace(right, "name: a", "name: ''", 1) + "  x: 1\n" + strings.Replace(right, "name: a", "name: c", 1),
			[]string{", line 9: unknown field", ", line 1: client_key_file: required"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			path, _, wrong := merchants(t, tt.yaml)
			if len(wrong) != len(tt.want) {
				t.Fatalf("got %d problems, want %d:\n%v", len(wrong), len(tt.want), wrong)
			}
			for i, w := range wrong {
				if w.Variable != "QFPAY_MERCHANTS_FILE" || !strings.HasPrefix(w.Problem, path+tt.want[i]) {
					t.Errorf("got  %v\nwant %s", w, path+tt.want[i])
				}
			}
			if strings.Contains(wrong.Error(), canary) {
				t.Errorf("a secret is shown: %v", wrong)
			}
		})
	}
}

func TestMerchantsFile_ExcludesTheSingleMerchant(t *testing.T) {
	_, _, wrong := merchants(t, right, "QFPAY_APP_CODE=A", "QFPAY_CLIENT_KEY="+canary, "QFPAY_CLIENT_KEY_FILE=k", "QFPAY_MCHID=M")
	var named []string
	for _, w := range wrong {
		named = append(named, w.Variable)
	}
	want := []string{"QFPAY_APP_CODE", "QFPAY_CLIENT_KEY", "QFPAY_CLIENT_KEY_FILE", "QFPAY_MCHID"}
	if d := cmp.Diff(want, named); d != "" {
		t.Error(d)
	}
}

func TestMerchantsFile_MerchantsOfOneAppCodeMayShareItsLimits(t *testing.T) {
	_, s, wrong := merchants(t, right+"  mchid: M1\n"+strings.Replace(right, "name: a", "name: b", 1)+"  mchid: M2\n")
	if wrong != nil || len(s.Merchants) != 2 {
		t.Errorf("%d merchants, %v", len(s.Merchants), wrong)
	}
}

// FuzzMerchantsFile looks for a file that makes the program panic.
func FuzzMerchantsFile(f *testing.F) {
	f.Add(right)
	f.Add("- name: [\n")
	f.Add("-")
	f.Add("- {name: a, client_key: CANARY5c1f0e}\n")
	f.Add("a: &a [*a]\n")
	f.Add("- ? CANARY5c1f0e\n")
	f.Add("- !!binary x\n- <<: {}\n")
	f.Fuzz(func(t *testing.T, text string) {
		var found checks
		r := fileReader{path: "merchants.yaml", found: &found}
		for _, e := range r.entries([]byte(text)) {
			if e.line < 1 {
				t.Errorf("an entry is on line %d", e.line)
			}
		}
	})
}
