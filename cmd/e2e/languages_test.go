package e2e

import (
	"context"
	"maps"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/qfpay-worker/qfpay-worker/internal/redistest"
	"github.com/qfpay-worker/qfpay-worker/tasks"
)

// TestExamples_ProgramsOfEveryLanguageGetTheirResults runs the examples of producers and
// consumers in four languages at once, against one worker. The client for Go speaks RESP3, the others, as the README
// has them installed, RESP2.
func TestExamples_ProgramsOfEveryLanguageGetTheirResults(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if err := build(dir, "", "../../examples/go"); err != nil {
		t.Fatal(err)
	}
	examplesGetTheirResults(t, map[string]languageExample{
		"python": {command: []string{"/usr/bin/python3", pythonExample}}, // Debian's, which has Debian's libraries
		"node":   {command: []string{"node", nodeExample(t, "../../examples/node")}},
		"php":    {command: []string{"php", "../../examples/php/enqueue_and_read.php"}},
		"go":     {command: []string{filepath.Join(dir, "go")}},
	})
}

const pythonExample = "../../examples/python/enqueue_and_read.py"

// languageExample is a program, and what it needs in its environment.
type languageExample struct {
	command  []string
	env      []string
	protocol string // at the end of REDIS_URL
}

// Later clients for Python and Node speak RESP3, and give what they read in other forms. phpredis speaks RESP2 alone.
func TestExamples_LaterClientsGetTheirResultsInRESP3(t *testing.T) {
	t.Parallel()
	library, err := exec.Command("../../.ci/newer", "python3-redis", "5").Output()
	if err != nil {
		t.Fatalf(".ci/newer: %v", err)
	}
	examplesGetTheirResults(t, map[string]languageExample{
		"python": {[]string{"/usr/bin/python3", pythonExample}, []string{"PYTHONPATH=" + strings.TrimSpace(string(library))}, "?protocol=3"},
		"node":   {[]string{"node", nodeExample(t, "testdata/ioredis-6")}, nil, "?replyMapping=resp3"},
	})
}

// examplesGetTheirResults runs one program for each language. Each enqueues 100 orders on the request stream, reads
// their results, prints a QR code, and reads that all were paid. They speak TLS, with a password that needs
// percent-encoding. Their groups have entries that an earlier run left: one that was trimmed since, and one of a
// consumer that does not come back.
func examplesGetTheirResults(t *testing.T, examples map[string]languageExample) {
	t.Helper()
	authority := redistest.NewAuthority(t)
	redis := redistest.StartTLS(t, authority, "--tls-auth-clients", "no")
	redis.Do(t, "acl", "setuser", "shop", "on", ">p@ss/w#rd", "~*", "&*", "+@all")
	url := "REDIS_URL=rediss://shop:p%40ss%2Fw%23rd@" + redis.Addr + "/0"
	env := []string{"WORKER_KEY_PREFIX=", "WORKER_PAYMENTS=on",
		"SSL_CERT_FILE=" + authority.File, "NODE_EXTRA_CA_CERTS=" + authority.File}
	notify := freeAddress(t)
	g := startGateway(t, "--per-second", "0", "--per-minute", "0", "--pay", "1", "--pay-after", "500ms-700ms", "--notify-url", "http://"+notify+"/qfpay/notify/default")
	startWorker(t, append(quick(redis, g, "QFPAY_PER_SECOND=0", "WORKER_PAYMENTS=on", "WORKER_NOTIFY_ADDR="+notify), "REDIS_URL=unix://"+redis.Socket))
	leavePending(t, redis.Client(t), slices.Collect(maps.Keys(examples)))
	t.Run("at once", func(t *testing.T) {
		for name, e := range examples {
			t.Run(name+" refuses", func(t *testing.T) {
				t.Parallel()
				refusesAnotherScheme(t, e)
				showsNoPassword(t, e, env, redis.Addr)
			})
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				out := runExample(t, slices.Concat(env, e.env, []string{url + e.protocol}), e.command...)
				if !strings.Contains(out, "trimmed") && !strings.Contains(out, "deleted") {
					t.Errorf("it does not say that an entry was trimmed:\n%s", out)
				}
				if !strings.Contains(out, "created=100 missing=0") || !strings.Contains(out, "https://") && !strings.Contains(out, "weixin://") {
					t.Errorf("it wrote:\n%s", out)
				}
				if !strings.Contains(out, "paid=100") {
					t.Errorf("it does not say that all were paid:\n%s", out)
				}
				if n := drawn(out); n < 12 { // two modules a line, and a QR code has 21 at least
					t.Errorf("%d lines of a QR code:\n%s", n, out)
				}
			})
		}
	})
	checkRequests(t, redis.Client(t), 100*len(examples)+1) // with the one of the consumer that does not come back
	checkGroups(t, redis.Client(t), len(examples))
}

// leavePending leaves in the group of each language an entry that was trimmed, to the consumer that
// runs again, and one to a consumer that went away two minutes ago.
func leavePending(t *testing.T, rdb redis.UniversalClient, languages []string) {
	t.Helper()
	stream := tasks.Keys{Prefix: tasks.DefaultPrefix}.Results()
	add := func() string {
		r := tasks.Result{V: "1", ID: "default:OLD", Merchant: "default", OutTradeNo: "OLD", Outcome: "expired"}
		id, err := rdb.XAdd(t.Context(), &redis.XAddArgs{Stream: stream, Values: r.Values()}).Result()
		redistest.OK(t, err)
		return id
	}
	for _, name := range languages {
		redistest.OK(t, rdb.XGroupCreateMkStream(t.Context(), stream, "example-"+name, "0").Err())
	}
	trimmed, left := add(), add()
	for _, name := range languages {
		group := "example-" + name
		for _, consumer := range []string{"consumer-1", "went-away"} {
			redistest.OK(t, rdb.XReadGroup(t.Context(), &redis.XReadGroupArgs{Group: group, Consumer: consumer, Streams: []string{stream, ">"}, Count: 1}).Err())
		}
		redistest.OK(t, rdb.Do(t.Context(), "XCLAIM", stream, group, "went-away", 0, left, "IDLE", 120_000, "JUSTID").Err())
	}
	redistest.OK(t, rdb.XDel(t.Context(), stream, trimmed).Err())
}

// refusesAnotherScheme: nothing is tried in plain text instead, and the password is not shown.
func refusesAnotherScheme(t *testing.T, e languageExample) {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	redistest.OK(t, err)
	defer listener.Close()
	cmd := exec.CommandContext(t.Context(), e.command[0], e.command[1:]...)
	cmd.Env = append(e.env, "PATH="+os.Getenv("PATH"), "REDIS_URL=valkeys://u:C4NARY@"+listener.Addr().String())
	out, err := cmd.CombinedOutput()
	if err == nil || !strings.Contains(string(out), "REDIS_URL:") || strings.Contains(string(out), "C4NARY") {
		t.Errorf("%v\n%s", err, out)
	}
	redistest.OK(t, listener.(*net.TCPListener).SetDeadline(time.Now()))
	if conn, err := listener.Accept(); err == nil {
		conn.Close()
		t.Error("it connected")
	}
}

// showsNoPassword: neither when the URL cannot be read nor when the server refuses it.
func showsNoPassword(t *testing.T, e languageExample, env []string, addr string) {
	t.Helper()
	for _, url := range []string{"rediss://shop:C4NARY@" + addr + "/0", "redis://shop:C4NARY/w#rd@" + addr + "/0", "redis://shop:C4NARY%zz@" + addr + "/0"} {
		cmd := exec.CommandContext(t.Context(), e.command[0], e.command[1:]...)
		cmd.Env = slices.Concat(env, e.env, []string{"PATH=" + os.Getenv("PATH"), "REDIS_URL=" + url})
		if out, err := cmd.CombinedOutput(); err == nil || strings.Contains(string(out), "C4NARY") {
			t.Errorf("%s: %v\n%s", url, err, out)
		}
	}
}

// freeAddress returns an address that nobody listens on.
func freeAddress(t *testing.T) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	redistest.OK(t, err)
	defer listener.Close()
	return listener.Addr().String()
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
func checkGroups(t *testing.T, rdb redis.UniversalClient, languages int) {
	t.Helper()
	groups := rdb.XInfoGroups(t.Context(), tasks.Keys{Prefix: tasks.DefaultPrefix}.Results()).Val()
	if len(groups) != languages {
		t.Errorf("%d consumer groups, want one for each of %d languages", len(groups), languages)
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

// nodeExample copies the example for Node and installs beside it the packages that a directory names.
func nodeExample(t *testing.T, packages string) string {
	t.Helper()
	dir, example := t.TempDir(), "../../examples/node"
	for name, from := range map[string]string{"enqueue_and_read.mjs": example, ".npmrc": example, "package.json": packages, "package-lock.json": packages} {
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
