package probe

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/qfpay-worker/qfpay-worker/qfpay"
)

var account = Account{BaseURL: "https://test-openapi-hk.qfapi.com", AppCode: "A1", MchID: "M1"}

func TestJournal_KeepsWhatWasWrittenCompletely(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "probe.ndjson")
	seen := []Observation{
		{At: time.Date(2026, 3, 1, 4, 0, 0, 5, time.UTC), Event: Begun},
		{At: time.Date(2026, 3, 1, 4, 0, 1, 0, time.UTC), Event: Query, PayType: qfpay.FPS, Number: "N1", Verdict: Done, Took: 3 * time.Millisecond,
			Rows: []Row{{Syssn: "S1", RespCd: "1143", Standing: "unpaid"}}},
	}
	for _, o := range seen {
		j, err := OpenJournal(path, account)
		if err != nil {
			t.Fatal(err)
		}
		if err := errors.Join(j.Add(o), j.Close()); err != nil {
			t.Fatal(err)
		}
		text, err := os.ReadFile(path) // and then the machine stops within a line
		if err == nil {
			err = os.WriteFile(path, append(text, `{"at":"2026-03-`...), 0o600)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	j, err := OpenJournal(path, account)
	if err != nil {
		t.Fatal(err)
	}
	defer j.Close()
	if d := cmp.Diff(seen, j.Observations()); d != "" {
		t.Error(d)
	}
}

// A file that is something else is left as it is.
func TestJournal_LeavesOtherFilesAlone(t *testing.T) {
	t.Parallel()
	other := `{"base_url":"https://x","app_code":"B2"}` + "\n"
	for text, want := range map[string]string{
		"orders\nA1,800101": "not the journal of a probe",
		"one line":          "not the journal of a probe",
		`{"a":1}` + "\n":    "not the journal of a probe",
		other:               "it is of another account: app_code B2 at https://x",
		strings.Replace(other, "B2", "A1", 1) + "nonsense\n":                                             "another account",
		`{"base_url":"https://test-openapi-hk.qfapi.com","app_code":"A1","mchid":"M1"}` + "\nnonsense\n": "line 2 cannot be read",
	} {
		path := filepath.Join(t.TempDir(), "file")
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		_, err := OpenJournal(path, account)
		if err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), path) {
			t.Errorf("%q: %v", text, err)
		}
		if after, err := os.ReadFile(path); err != nil || string(after) != text {
			t.Errorf("%q has become %q", text, after)
		}
	}
}
