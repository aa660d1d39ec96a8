package setting

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

func TestEnvFile_ReadsWhatDockerAndSystemdRead(t *testing.T) {
	t.Parallel()
	got, err := ParseEnvFile("\uFEFF# a comment\r\n; another\n\n  A=1\r\nB = two words \nC=\nD='$x \"y\" \\n'\n" +
		"E=\"a \\\"b\\\" \\\\ \\$c \\n\" \nF=x=y#z\nREDIS_URL=redis-cluster://h1:1,h2:2\nG='#1 # 2'")
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]string{"A": "1", "B": "two words", "C": "", "D": `$x "y" \n`, "E": `a "b" \ $c \n`,
		"F": "x=y#z", "REDIS_URL": "redis-cluster://h1:1,h2:2", "G": "#1 # 2"}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
}

// Every wrong line is named by its number, and no value is shown.
func TestEnvFile_NamesWrongLines(t *testing.T) {
	t.Parallel()
	for line, want := range map[string]string{
		"5ecret":            "NAME=VALUE",
		"=5ecret":           "NAME=VALUE",
		"A-B=5ecret":        "NAME=VALUE",
		"A: 5ecret":         "NAME=VALUE",
		"export A=5ecret":   "without export",
		"A='5ecret":         "not closed",
		`A="5ecret\"`:       "not closed",
		"A='5ecret' # why":  "behind its closing quote",
		"A=5ecret # why":    "line of its own",
		`A=5ecret\`:         "next line",
		"A=5ecret\x00":      "UTF-8",
		"A=5ecret\xff":      "UTF-8",
		"FIRST=5ecret":      "FIRST is set already, in line 1",
		"A=\"5ecret\"extra": "behind its closing quote",
	} {
		_, err := ParseEnvFile("FIRST=1\n\n" + line + "\n")
		if err == nil || !strings.HasPrefix(err.Error(), "line 3: ") || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "5ecret") {
			t.Errorf("%q: %v, want %q", line, err, want)
		}
	}
	if _, err := ParseEnvFile("A\nB=1\nC"); err == nil || strings.Count(err.Error(), "line ") != 2 {
		t.Errorf("two wrong lines: %v", err)
	}
}

func TestEnvFile_ReadsEveryLineThatItWrites(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		value := rapid.StringMatching("[^\\n\\r\\x00\\x85\\x{2028}\\x{2029}]{0,20}").Draw(t, "value")
		got, err := ParseEnvFile(EnvLine("A", value) + "\n")
		if err != nil || got["A"] != value {
			t.Fatalf("%q becomes %q, %v", EnvLine("A", value), got["A"], err)
		}
	})
}

func FuzzEnvFile(f *testing.F) {
	f.Add("A=1\n# x\nB=\"a \\\" b\"\nC='x'\n")
	f.Fuzz(func(t *testing.T, text string) {
		values, err := ParseEnvFile(text)
		if err != nil && !strings.HasPrefix(err.Error(), "line ") {
			t.Error(err)
		}
		for name := range values {
			if !settingName.MatchString(name) {
				t.Errorf("%q is no name", name)
			}
		}
	})
}
