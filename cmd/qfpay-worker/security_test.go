package main

import (
	"os"
	"os/exec"
	"regexp"
	"strings"
	"testing"
)

// docs/security.md names the tests behind each of its claims; each must exist.
func TestSecurity_EveryClaimHasATestBehindIt(t *testing.T) {
	page, err := os.ReadFile("../../docs/security.md")
	if err != nil {
		t.Fatal(err)
	}
	found, err := exec.Command("grep", "-rhoE", "--include=*_test.go", `^func (Test|Fuzz)\w+`, "../..").Output()
	if err != nil {
		t.Fatal(err)
	}
	tests := map[string]bool{}
	for line := range strings.Lines(string(found)) {
		tests[strings.TrimPrefix(strings.TrimSpace(line), "func ")] = true
	}
	rows := 0
	threats, _, _ := strings.Cut(string(page), "\n## ")
	for line := range strings.Lines(threats) {
		if !strings.HasPrefix(line, "| ") || strings.HasPrefix(line, "| threat") {
			continue
		}
		rows++
		names := regexp.MustCompile("`((?:Test|Fuzz)\\w+)`").FindAllStringSubmatch(line, -1)
		if len(names) == 0 && !strings.Contains(line, "make lint") {
			t.Errorf("no test: %s", line)
		}
		for _, name := range names {
			if !tests[name[1]] {
				t.Errorf("there is no %s", name[1])
			}
		}
	}
	if rows < 14 {
		t.Errorf("%d rows", rows)
	}
}
