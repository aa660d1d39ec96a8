// Mutants breaks the worker on purpose, one way at a time, in a copy of the tree, and
// runs the tests that should notice. A suite that has never failed proves nothing.
//
// The mutants stand in the file list beside this one. Each begins with "== " and a
// name; then come "file", "in" (the package whose tests notice, where neither the file's nor the
// worker's do), "breaks" (which promise), and "test" (a pattern for go test), and then the lines
// to take out, marked "-", which must occur exactly once, and those to put in their place, marked "+".
//
// It prints caught or MISSED for each, and ends with 1 if any was missed, 2 if the list
// does not fit the tree. Arguments, if any, choose mutants by parts of their names.
package main

import (
	"bytes"
	_ "embed"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

//go:embed list
var list string

// mutant is one way to break the tree.
type mutant struct {
	name, file, in, breaks, test string
	old, new                     []string
}

func main() {
	missed, err := run(os.Args[1:])
	if err != nil {
		fmt.Fprintln(os.Stderr, "mutants:", err)
		os.Exit(2)
	}
	if missed > 0 {
		os.Exit(1)
	}
}

func run(chosen []string) (missed int, err error) {
	mutants, err := parse(list)
	if err != nil {
		return 0, err
	}
	dir, err := os.MkdirTemp("", "mutants")
	if err != nil {
		return 0, err
	}
	defer os.RemoveAll(dir)
	if err := copyTree(dir); err != nil {
		return 0, err
	}
	caught := 0
	for _, m := range mutants {
		if len(chosen) > 0 && !slices.ContainsFunc(chosen, func(part string) bool { return strings.Contains(m.name, part) }) {
			continue
		}
		began := time.Now()
		noticed, err := m.try(dir)
		if err != nil {
			return missed, fmt.Errorf("%s: %w", m.name, err)
		}
		verdict := "caught"
		if noticed {
			caught++
		} else {
			verdict = "MISSED"
			missed++
		}
		fmt.Printf("%s  %4.1fs  %s (%s)\n", verdict, time.Since(began).Seconds(), m.name, m.breaks)
	}
	fmt.Printf("%d mutants, %d caught, %d missed\n", caught+missed, caught, missed)
	return missed, nil
}

// parse reads the list.
func parse(text string) ([]mutant, error) {
	var all []mutant
	for i, line := range strings.Split(text, "\n") {
		if name, is := strings.CutPrefix(line, "== "); is {
			all = append(all, mutant{name: name})
			continue
		}
		if line == "" || line[0] == '#' {
			continue
		}
		if len(all) == 0 {
			return nil, fmt.Errorf("list, line %d: no mutant begins with this", i+1)
		}
		m := &all[len(all)-1]
		word, rest, _ := strings.Cut(line, " ")
		switch {
		case line[0] == '-':
			m.old = append(m.old, line[1:])
		case line[0] == '+':
			m.new = append(m.new, line[1:])
		case word == "file":
			m.file = rest
		case word == "in":
			m.in = rest
		case word == "breaks":
			m.breaks = rest
		case word == "test":
			m.test = rest
		default:
			return nil, fmt.Errorf("list, line %d: %q is none of file, in, breaks, test, - and +", i+1, line)
		}
	}
	return all, nil
}

// copyTree copies what git knows or could know of the tree, which begins where the
// program is run.
func copyTree(dir string) error {
	files, err := exec.Command("git", "ls-files", "-z", "--cached", "--others", "--exclude-standard").Output()
	if err != nil {
		return fmt.Errorf("git ls-files: %w", err)
	}
	for name := range strings.SplitSeq(strings.TrimRight(string(files), "\x00"), "\x00") {
		body, err := os.ReadFile(name)
		if errors.Is(err, os.ErrNotExist) {
			continue // taken out, and not committed yet
		}
		if err != nil {
			return err
		}
		to := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
			return err
		}
		if err := os.WriteFile(to, body, 0o644); err != nil {
			return err
		}
	}
	return nil
}

// try breaks the copy, runs the tests, and mends it. It reports whether they noticed.
func (m mutant) try(dir string) (noticed bool, err error) {
	path := filepath.Join(dir, m.file)
	whole, err := os.ReadFile(path)
	if err != nil {
		return false, err
	}
	old := []byte(strings.Join(m.old, "\n") + "\n")
	if n := bytes.Count(whole, old); n != 1 {
		return false, fmt.Errorf("the old text stands %d times in %s, not once", n, m.file)
	}
	var text string
	if len(m.new) > 0 {
		text = strings.Join(m.new, "\n") + "\n"
	}
	if err := os.WriteFile(path, bytes.Replace(whole, old, []byte(text), 1), 0o644); err != nil {
		return false, err
	}
	defer func() { err = errors.Join(err, os.WriteFile(path, whole, 0o644)) }()
	return m.fails(dir)
}

// tests is the packages whose tests should notice: that which the mutant names, or that of the file, and
// the worker's. Times are tested where they are used.
func (m mutant) tests() []string {
	if m.in != "" {
		return []string{m.in}
	}
	if m.file == "worker/internal/timing/timing.go" {
		return []string{"./worker/internal/ratelimit", "./worker/internal/asynqhook", "./worker"}
	}
	own := "./" + strings.TrimSuffix(filepath.ToSlash(filepath.Dir(m.file)), "/lua")
	if own == "./worker" || !strings.HasPrefix(own, "./worker/") {
		return []string{own}
	}
	return []string{own, "./worker"}
}

// fails runs the tests, and reports whether one failed.
func (m mutant) fails(dir string) (bool, error) {
	ran := false
	for _, pkg := range m.tests() {
		failed, any, err := m.failsIn(dir, pkg)
		if failed || err != nil {
			return failed, err
		}
		ran = ran || any
	}
	if !ran {
		return false, fmt.Errorf("no test is called %s", m.test)
	}
	return false, nil
}

// failsIn runs the tests of one package. What does not compile has not been noticed by a test.
func (m mutant) failsIn(dir, pkg string) (failed, ran bool, err error) {
	args := []string{"test", "-count=1", "-failfast", "-timeout=3m", "-run", m.test, pkg}
	imports, err := exec.Command("go", "list", "-f", `{{join .TestImports " "}}`, pkg).Output()
	if err != nil {
		return false, false, err
	}
	if strings.Contains(string(imports), "pgregory.net/rapid") {
		args = append(args, "-rapid.shrinktime=1s")
	}
	test := exec.Command("go", args...)
	test.Dir = dir
	out, err := test.CombinedOutput()
	var exit *exec.ExitError
	switch {
	case err == nil:
		return false, !bytes.Contains(out, []byte("no tests to run")), nil
	case !errors.As(err, &exit):
		return false, false, err
	case !bytes.Contains(out, []byte("--- FAIL")) && !bytes.Contains(out, []byte("panic: ")):
		return false, false, fmt.Errorf("the tests did not run:\n%s", out)
	}
	return true, true, nil
}
