package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// settingsFile returns the path of a new file with settings.
func settingsFile(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "settings.env")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestEnvFile_GivesWhatIsNotSetOtherwise(t *testing.T) {
	path := settingsFile(t, "# of the file\nQFPAY_TIMEOUT=1\nQFPAY_PER_SECOND=2\nQFPAY_PER_MINUTE='x'\nQFPAY_SIGN_TYP=MD5\n")
	got := command(t, []string{"QFPAY_PER_SECOND=y"}, "run", "--env-file", path, "--qfpay-timeout=z")
	if got.code != exitInput {
		t.Fatalf("exit code %d: %s", got.code, got.err)
	}
	for _, want := range []string{
		`QFPAY_TIMEOUT: must be a duration from 1s to 60s, such as 10s, not "z"`, // the flag
		`QFPAY_PER_SECOND: must be a whole number from 0 to 100000, not "y"`,     // the variable
		`QFPAY_PER_MINUTE: must be a whole number from 0 to 100000, not "x"`,     // the file
		"QFPAY_SIGN_TYP is not a setting; did you mean QFPAY_SIGN_TYPE?",
	} {
		if !strings.Contains(got.err, want) {
			t.Errorf("%q is missing in\n%s", want, got.err)
		}
	}
}

func TestEnvFile_SaysWhatIsWrongWithIt(t *testing.T) {
	wrong := settingsFile(t, "REDIS_URL=redis://h\nQFPAY_CLIENT_KEY=\""+canary+"\nnonsense\n")
	for path, wants := range map[string][]string{
		wrong:                                {"--env-file: " + wrong + ":", "line 2: QFPAY_CLIENT_KEY: has a quote that is not closed in its line", "line 3: must be NAME=VALUE"},
		filepath.Join(t.TempDir(), "no.env"): {"--env-file: ", "no.env cannot be read: no such file"},
		t.TempDir():                          {"it is a directory, not a file"},
	} {
		got := command(t, nil, "run", "--env-file", path)
		for _, want := range wants {
			if got.code != exitInput || !strings.Contains(got.err, want) {
				t.Errorf("exit code %d, %q is missing in\n%s", got.code, want, got.err)
			}
		}
		if strings.Contains(got.err, canary) {
			t.Errorf("shows the key: %s", got.err)
		}
	}
}
