// Vuln looks for known holes in the code that these modules call, with govulncheck and a
// vulnerability database that is made here, from the Go module golang.org/x/vulndb.
//
//	go run ./.ci/vuln GO MODULE…
//
// GO is the Go that releases and images are built with, such as go1.26.11: its standard library is
// looked into, and not that of this machine. Vuln prints each hole that the code reaches, and ends with 1 if any of them is not in the file
// "accepted" beside this one. A line there has the hole, the date of the decision, and the reason.
// An accepted hole that is not found any more is printed too: its line can go.
package main

import (
	"bytes"
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

const (
	govulncheck = "golang.org/x/vuln/cmd/govulncheck@v1.9.0"
	vulndb      = "golang.org/x/vulndb@v0.0.0-20261105234957-e22db6528018"
)

//go:embed accepted
var acceptedText string

// hole is a known hole that a module's code reaches.
type hole struct {
	id, module, fixed, calls string
}

func main() {
	if len(os.Args) < 3 {
		fmt.Fprintln(os.Stderr, "usage: go run ./.ci/vuln GO MODULE…")
		os.Exit(2)
	}
	open, err := run(os.Args[1], os.Args[2:])
	if err != nil {
		fmt.Fprintln(os.Stderr, "vuln:", err)
		os.Exit(2)
	}
	if open > 0 {
		fmt.Fprintf(os.Stderr, "vuln: %d known holes that nobody has accepted: update the module, or add a line to .ci/vuln/accepted\n", open)
		os.Exit(1)
	}
}

// run checks the modules in these directories as that Go compiles them, and returns how many holes
// are not accepted.
func run(toolchain string, modules []string) (open int, err error) {
	accepted, err := parseAccepted(acceptedText)
	if err != nil {
		return 0, err
	}
	dir, err := os.MkdirTemp("", "vuln")
	if err != nil {
		return 0, err
	}
	defer os.RemoveAll(dir)
	scan := scanner{toolchain: toolchain, dir: dir}
	if err := errors.Join(scan.install(), makeDatabase(scan.database())); err != nil {
		return 0, err
	}
	found := map[string]hole{}
	for _, module := range modules {
		if err := scan.check(module, found); err != nil {
			return 0, fmt.Errorf("%s: %w", module, err)
		}
	}
	for _, id := range slices.Sorted(maps.Keys(found)) {
		h, why := found[id], accepted[id]
		if why == "" {
			open++
			why = "NOT ACCEPTED"
		}
		fmt.Printf("%s  %s, fixed in %s  %s\n    %s\n", id, h.module, h.fixed, h.calls, why)
	}
	for _, id := range slices.Sorted(maps.Keys(accepted)) {
		if _, ok := found[id]; !ok {
			fmt.Printf("%s  not found any more; was accepted: %s\n", id, accepted[id])
		}
	}
	fmt.Printf("holes=%d accepted=%d modules=%d\n", len(found), len(found)-open, len(modules))
	return open, nil
}

// parseAccepted returns date and reason of each accepted hole.
func parseAccepted(text string) (map[string]string, error) {
	accepted := map[string]string{}
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		id, rest, _ := strings.Cut(line, " ")
		date, why, _ := strings.Cut(strings.TrimSpace(rest), " ")
		if _, err := time.Parse(time.DateOnly, date); err != nil || strings.TrimSpace(why) == "" {
			return nil, fmt.Errorf(`accepted: want "ID YYYY-MM-DD reason", got %q`, line)
		}
		accepted[id] = date + " " + strings.TrimSpace(why)
	}
	return accepted, nil
}

// entry is what the index needs of an entry of the database, in the OSV format.
type entry struct {
	ID       string    `json:"id"`
	Modified time.Time `json:"modified"`
	Affected []struct {
		Package struct {
			Name string `json:"name"`
		} `json:"package"`
	} `json:"affected"`
}

// indexed is one hole in the database's index of modules.
type indexed struct {
	ID       string    `json:"id"`
	Modified time.Time `json:"modified"`
}

// makeDatabase writes the index that govulncheck wants (go.dev/doc/security/vuln/database) beside
// the entries of the module.
func makeDatabase(dir string) error {
	entries, err := downloadEntries()
	if err != nil {
		return err
	}
	files, err := filepath.Glob(filepath.Join(entries, "*.json"))
	if err != nil || len(files) == 0 {
		return fmt.Errorf("no entries in %s: %w", entries, err)
	}
	if err := errors.Join(os.MkdirAll(filepath.Join(dir, "index"), 0o755), os.Symlink(entries, filepath.Join(dir, "ID"))); err != nil {
		return err
	}
	modules := map[string][]indexed{}
	var last time.Time
	for _, file := range files {
		var e entry
		if err := readJSON(file, &e); err != nil {
			return err
		}
		for _, a := range e.Affected {
			modules[a.Package.Name] = append(modules[a.Package.Name], indexed{e.ID, e.Modified})
		}
		if e.Modified.After(last) {
			last = e.Modified
		}
	}
	type module struct {
		Path  string    `json:"path"`
		Vulns []indexed `json:"vulns"`
	}
	var index []module
	for _, path := range slices.Sorted(maps.Keys(modules)) {
		index = append(index, module{path, modules[path]})
	}
	return errors.Join(
		writeJSON(filepath.Join(dir, "index", "modules.json"), index),
		writeJSON(filepath.Join(dir, "index", "db.json"), map[string]time.Time{"modified": last}))
}

// downloadEntries returns the directory of the database's entries.
func downloadEntries() (string, error) {
	out, err := exec.Command("go", "mod", "download", "-json", vulndb).Output()
	if err != nil {
		return "", fmt.Errorf("go mod download %s: %w\n%s", vulndb, err, out)
	}
	var module struct{ Dir string }
	if err := json.Unmarshal(out, &module); err != nil {
		return "", err
	}
	return filepath.Join(module.Dir, "data", "osv"), nil
}

// scanner is govulncheck in a directory, beside its database.
type scanner struct{ toolchain, dir string }

func (s scanner) database() string { return filepath.Join(s.dir, "database") }

// install compiles govulncheck with the Go of this machine, whose standard library is compiled already.
func (s scanner) install() error {
	cmd := exec.Command("go", "install", govulncheck)
	cmd.Env = append(os.Environ(), "GOBIN="+s.dir)
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("go install %s: %w\n%s", govulncheck, err, out)
	}
	return nil
}

// check adds to found the holes that the module's code and its tests reach.
func (s scanner) check(module string, found map[string]hole) error {
	cmd := exec.Command(filepath.Join(s.dir, "govulncheck"), "-db", "file://"+s.database(), "-test", "-format", "json", "-C", module, "./...")
	cmd.Env = append(os.Environ(), "GOTOOLCHAIN="+s.toolchain)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		return fmt.Errorf("govulncheck: %w\n%s", err, stderr.Bytes())
	}
	for stream := json.NewDecoder(bytes.NewReader(out)); ; {
		var message struct {
			Finding *finding `json:"finding"`
		}
		switch err := stream.Decode(&message); {
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return err
		case message.Finding != nil && message.Finding.reached():
			found[message.Finding.OSV] = message.Finding.hole()
		}
	}
}

// finding is one way in which code reaches a hole: the first frame is the hole's, the last one ours.
type finding struct {
	OSV   string `json:"osv"`
	Fixed string `json:"fixed_version"`
	Trace []struct {
		Module   string `json:"module"`
		Package  string `json:"package"`
		Function string `json:"function"`
	} `json:"trace"`
}

// reached reports whether the code calls the hole, and does not only import it.
func (f *finding) reached() bool { return len(f.Trace) > 0 && f.Trace[0].Function != "" }

func (f *finding) hole() hole {
	first, last := f.Trace[0], f.Trace[len(f.Trace)-1]
	return hole{f.OSV, first.Module, f.Fixed,
		fmt.Sprintf("%s.%s, called by %s.%s", first.Package, first.Function, last.Package, last.Function)}
}

func readJSON(file string, v any) error {
	data, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	return json.Unmarshal(data, v)
}

func writeJSON(file string, v any) error {
	data, err := json.Marshal(v)
	if err != nil {
		return err
	}
	return os.WriteFile(file, data, 0o644)
}
