package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// pages returns the documents by their paths.
func pages(t *testing.T) map[string]string {
	t.Helper()
	files, err := filepath.Glob("../../docs/*.md")
	if err != nil {
		t.Fatal(err)
	}
	texts := map[string]string{}
	for _, file := range append(files, "../../README.md", "../../SECURITY.md", "../../CONTRIBUTING.md") {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		texts[strings.TrimPrefix(file, "../../")] = string(text)
	}
	return texts
}

// testsOf returns the names of the tests in a directory and those below it.
func testsOf(t *testing.T, dir string) (names []string) {
	t.Helper()
	found, err := exec.Command("grep", "-rhoE", "--include=*_test.go", `^func (Test|Fuzz)\w+`, dir).Output()
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(found)) {
		names = append(names, strings.TrimPrefix(strings.TrimSpace(line), "func "))
	}
	return names
}

// A name of a test may be the beginning of several, as for go test -run.
func TestDocs_NameTestsAndTargetsThatExist(t *testing.T) {
	tests := testsOf(t, "../..")
	makefile, err := os.ReadFile("../../Makefile")
	if err != nil {
		t.Fatal(err)
	}
	named := 0
	for page, text := range pages(t) {
		for _, name := range regexp.MustCompile(`\b(?:Test|Fuzz)[A-Z]\w+`).FindAllString(text, -1) {
			named++
			if name != "TestSubject_DoesWhat" && !slices.ContainsFunc(tests, func(test string) bool { return strings.HasPrefix(test, name) }) {
				t.Errorf("%s: there is no %s", page, name)
			}
		}
		for _, target := range regexp.MustCompile("`make ([a-z0-9-]+)").FindAllStringSubmatch(text, -1) {
			named++
			if !strings.Contains(string(makefile), "\n"+target[1]+":") {
				t.Errorf("%s: there is no make %s", page, target[1])
			}
		}
	}
	if named < 200 {
		t.Errorf("only %d are named", named)
	}
}

func TestDocs_IndexHasEveryPage(t *testing.T) {
	all := pages(t)
	for page := range all {
		name, inside := strings.CutPrefix(page, "docs/")
		if inside && name != "README.md" && !strings.Contains(all["docs/README.md"], "("+name+")") {
			t.Errorf("docs/README.md does not link %s", name)
		}
	}
}

// docs/security.md names the tests behind each of its claims.
func TestSecurity_EveryClaimHasATestBehindIt(t *testing.T) {
	rows := 0
	threats, _, _ := strings.Cut(pages(t)["docs/security.md"], "\n## ")
	for line := range strings.Lines(threats) {
		if !strings.HasPrefix(line, "| ") || strings.HasPrefix(line, "| threat") {
			continue
		}
		rows++
		if !regexp.MustCompile("`(Test|Fuzz)\\w+`|make lint").MatchString(line) {
			t.Errorf("no test: %s", line)
		}
	}
	if rows < 14 {
		t.Errorf("%d rows", rows)
	}
}

func TestComparison_EveryClaimNamesWhatShowsIt(t *testing.T) {
	claims := 0
	for line := range strings.Lines(pages(t)["docs/comparison.md"]) {
		cells := strings.Split(line, "|")
		if len(cells) < 3 || !strings.HasPrefix(cells[2], " yes") {
			continue
		}
		claims++
		if !strings.Contains(cells[2], "`make ") && !strings.Contains(cells[2], "`go test ") {
			t.Errorf("no command shows that: %s", line)
		}
	}
	if claims < 4 {
		t.Errorf("only %d claims", claims)
	}
}
