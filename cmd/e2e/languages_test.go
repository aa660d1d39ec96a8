package e2e

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/qfpay-worker/qfpay-worker/internal/redistest"
	"github.com/qfpay-worker/qfpay-worker/tasks"
)

// TestExamples_ProgramsOfEveryLanguageGetTheirResults runs the examples of producers and
// consumers in four languages at once, against one worker. Each enqueues 100 orders on
// the request stream, reads their results, and prints a QR code.
func TestExamples_ProgramsOfEveryLanguageGetTheirResults(t *testing.T) {
	t.Parallel()
	redis := redistest.StartTCP(t)
	startWorker(t, quick(redis, startGateway(t, "--per-second", "0", "--per-minute", "0"), "QFPAY_PER_SECOND=0"))
	node, program := nodeExample(t), filepath.Join(t.TempDir(), "example")
	if out, err := exec.Command("go", "build", "-o", program, "../../examples/go").CombinedOutput(); err != nil {
		t.Fatalf("go build: %v\n%s", err, out)
	}
	t.Run("at once", func(t *testing.T) {
		for name, command := range map[string][]string{
			"Python": {"/usr/bin/python3", "../../examples/python/enqueue_and_read.py"}, // Debian's, which has Debian's libraries
			"Node":   {"node", node},
			"PHP":    {"php", "../../examples/php/enqueue_and_read.php"},
			"Go":     {program},
		} {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				out := runExample(t, []string{"REDIS_URL=" + redis.URL}, command...)
				if !strings.Contains(out, "created=100 missing=0") || !strings.Contains(out, "https://") && !strings.Contains(out, "weixin://") {
					t.Errorf("it wrote:\n%s", out)
				}
				if n := drawn(out); n < 12 { // two modules a line, and a QR code has 21 at least
					t.Errorf("%d lines of a QR code:\n%s", n, out)
				}
			})
		}
	})
	checkRequests(t, redis.Client(t), 400)
	checkGroups(t, redis.Client(t))
}

// drawn counts the lines that hold nothing but half blocks and spaces.
func drawn(out string) (n int) {
	for line := range strings.Lines(out) {
		if line = strings.Trim(line, "\r\n"); strings.ContainsAny(line, "▀▄█") && strings.Trim(line, "▀▄█ \u00a0") == "" {
			n++
		}
	}
	return n
}

// checkGroups checks that each example has acknowledged its results. A pending entry would prevent
// trimming of the stream for a week.
func checkGroups(t *testing.T, rdb redis.UniversalClient) {
	t.Helper()
	groups := rdb.XInfoGroups(t.Context(), tasks.Keys{Prefix: tasks.DefaultPrefix}.Results()).Val()
	if len(groups) != 4 {
		t.Errorf("%d consumer groups, want one for each language", len(groups))
	}
	for _, g := range groups {
		// tasks.Results.Consume stops when its context ends, even with entries pending: another
		// consumer takes them over.
		if g.Name != "example-go" && g.Pending > 0 {
			t.Errorf("%s has not acknowledged %d results", g.Name, g.Pending)
		}
	}
}

// runExample runs a program, which must exit with 0, and returns its output.
func runExample(t *testing.T, env []string, command ...string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 180*time.Second)
	defer cancel()
	cmd := exec.CommandContext(ctx, command[0], command[1:]...)
	cmd.Env = append([]string{"PATH=" + os.Getenv("PATH"), "HOME=" + t.TempDir()}, env...)
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Errorf("%s: %v", command[0], err)
	}
	return string(out)
}

// nodeExample copies the example for Node and installs its packages beside it.
func nodeExample(t *testing.T) string {
	t.Helper()
	dir, from := t.TempDir(), "../../examples/node"
	for _, name := range []string{"enqueue_and_read.mjs", "package.json", "package-lock.json", ".npmrc"} {
		text, err := os.ReadFile(filepath.Join(from, name))
		if err != nil {
			t.Fatal(err)
		}
		if strings.Contains(string(text), "\"resolved\"") {
			t.Errorf("%s contains the addresses of packages, which it must not: see .npmrc", name)
		}
		if err := os.WriteFile(filepath.Join(dir, name), text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	install := exec.Command("npm", "ci", "--no-progress")
	install.Dir = dir
	if out, err := install.CombinedOutput(); err != nil {
		t.Fatalf("npm ci: %v\n%s", err, out)
	}
	return filepath.Join(dir, "enqueue_and_read.mjs")
}

// checkRequests: every order was accepted, none was refused, and nothing is left.
func checkRequests(t *testing.T, rdb redis.UniversalClient, orders int) {
	t.Helper()
	keys := tasks.Keys{Prefix: tasks.DefaultPrefix}
	if n := published(t, rdb); n != orders {
		t.Errorf("%d results for %d orders", n, orders)
	}
	for _, stream := range []string{keys.Requests(), keys.Rejected()} {
		if n := rdb.XLen(t.Context(), stream).Val(); n != 0 {
			t.Errorf("%d entries are left in %s", n, stream)
		}
	}
}
