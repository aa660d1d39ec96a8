package redischeck

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

const root = "../../.."

var called = regexp.MustCompile(`redis\.p?call\("([A-Z]+)"(?:, *"([A-Z]+)")?`)

// commandsOf returns the commands that the scripts below a directory call.
func commandsOf(t *testing.T, dir string) []string {
	t.Helper()
	var all []string
	err := filepath.WalkDir(filepath.Join(root, dir), func(path string, _ fs.DirEntry, err error) error {
		if err != nil || filepath.Ext(path) != ".lua" {
			return err
		}
		text, err := os.ReadFile(path)
		for _, m := range called.FindAllStringSubmatch(string(text), -1) {
			name := strings.ToLower(m[1])
			if name == "xinfo" || name == "xgroup" {
				name += "|" + strings.ToLower(m[2])
			}
			all = append(all, name)
		}
		return err
	})
	if err != nil || len(all) < 3 {
		t.Fatalf("%s: %q, %v", dir, all, err)
	}
	return all
}

func TestRights_CoverEveryCommandOfOurScripts(t *testing.T) {
	for role, dirs := range map[Role][]string{
		Worker:   {"worker/internal", "worker/migrate", "tasks", "metrics", "internal/redisstream"},
		Producer: {"tasks"},
		Operator: {"worker/inspect", "worker/batches", "worker/audit", "tasks"},
	} {
		granted := RightsOf(role, keys).Commands
		for _, dir := range dirs {
			for _, c := range commandsOf(t, dir) {
				if !slices.Contains(granted, c) {
					t.Errorf("a script in %s calls %s, and %s lacks it: add it to rights.go", dir, c, role)
				}
			}
		}
	}
}

// Every command that a role needs is tried at the start, but those of each connection, which were
// sent by then, and those that only end something or that the worker can do without.
func TestForms_AreThereForEveryCommand(t *testing.T) {
	untried := append(slices.Clone(connecting), "config|get", "exec", "subscribe", "unsubscribe")
	for _, role := range Roles() {
		for _, c := range RightsOf(role, keys).Commands {
			if forms[c] == nil && !slices.Contains(untried, c) {
				t.Errorf("%s has no form", c)
			}
		}
	}
}
