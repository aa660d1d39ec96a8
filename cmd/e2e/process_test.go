package e2e

import (
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
)

// The client keys of these tests. Neither may appear in anything a process writes.
const (
	rightKey = "C4NARY0right0client0key0C4NARY01"
	wrongKey = "C4NARY0wrong0client0key0C4NARY02"
)

// patience is the timeout for everything whose duration is not tested. It is long enough for a
// machine under load, so it passes only if something is wrong.
const patience = 30 * time.Second

// process is one running program.
type process struct {
	name     string
	cmd      *exec.Cmd
	out, err *output
	ended    chan struct{}
}

// start runs a program with settings as its environment, NAME=value, until it or the test ends. Its
// output is searched for secrets and races.
func start(t *testing.T, settings []string, program string, args ...string) *process {
	t.Helper()
	p := launch(t, settings, program, args...)
	t.Cleanup(func() { p.finish(t) })
	return p
}

// launch is like start, but the caller must end the process.
func launch(t *testing.T, settings []string, program string, args ...string) *process {
	t.Helper()
	p := &process{name: program + " " + strings.Join(args, " "), out: newOutput(), err: newOutput(), ended: make(chan struct{})}
	p.cmd = exec.Command(filepath.Join(bin, program), args...)
	p.cmd.Stdout, p.cmd.Stderr = p.out, p.err
	// Without the environment of the tests, because a setting there would change the result. A race is found in the
	// output, and does not end the process.
	p.cmd.Env = append(slices.Clone(settings), "GORACE=exitcode=0 atexit_sleep_ms=0")
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		p.cmd.Wait()
		close(p.ended)
	}()
	return p
}

// finish ends the process if it still runs, and examines its output.
func (p *process) finish(t *testing.T) {
	p.cmd.Process.Kill()
	<-p.ended
	p.examine(t)
	if t.Failed() {
		t.Logf("%s\nstandard error ended with:\n%s", p.name, p.err.tail(4000))
	}
}

// examine searches the output of the process.
func (p *process) examine(t *testing.T) {
	t.Helper()
	written := p.out.text() + p.err.text()
	checkSecrets(t, p.name, written)
	ours, others := races(written)
	if len(ours) > 0 {
		t.Errorf("%s: a data race\n%s", p.name, ours[0])
	}
	if len(others) > 0 {
		t.Logf("%s: a data race of a library\n%s", p.name, others[0])
	}
}

// races returns the reports of the race detector: those with code of this module in a stack, and those of libraries
// alone. go-redis has such a race, seldom, when a subscription of asynq's connects again after a failover.
func races(written string) (ours, others []string) {
	for report := range strings.SplitSeq(written, "==================") {
		switch {
		case !strings.Contains(report, "DATA RACE"):
		case strings.Contains(report, "github.com/qfpay-worker/"):
			ours = append(ours, report)
		default:
			others = append(others, report)
		}
	}
	return ours, others
}

func TestRaces_OfLibrariesAreNotOurs(t *testing.T) {
	const library = "==================\nWARNING: DATA RACE\nRead at 0x1 by goroutine 7:\n  github.com/redis/go-redis/v9.(*PubSub).conn()\n      github.com/redis/go-redis/v9@v9.23.0/pubsub.go:102\n==================\n"
	own := strings.Replace(library, "Read at", "Read at 0x2 by goroutine 8:\n  github.com/qfpay-worker/qfpay-worker/worker.(*Worker).run()\n\nRead at", 1)
	ours, others := races("a line\n" + library + "another\n" + own + "the last one of github.com/qfpay-worker/qfpay-worker")
	if len(ours) != 1 || len(others) != 1 || !strings.Contains(ours[0], "Worker") {
		t.Errorf("ours %q, others %q", ours, others)
	}
}

// wait waits for the process to end by itself and returns its exit code.
func (p *process) wait(t *testing.T) int {
	t.Helper()
	select {
	case <-p.ended:
		return p.cmd.ProcessState.ExitCode()
	case <-time.After(patience):
		t.Fatalf("%s: still runs after %s", p.name, patience)
		return 0
	}
}

// terminate sends SIGTERM and returns the exit code, and how long the end took.
func (p *process) terminate(t *testing.T) (int, time.Duration) {
	t.Helper()
	began := time.Now()
	if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatalf("%s: %v", p.name, err)
	}
	return p.wait(t), time.Since(began)
}

// await waits until the output of the process satisfies done.
func (p *process) await(t *testing.T, o *output, what string, within time.Duration, done func(string) bool) {
	t.Helper()
	timeout := time.After(within)
	for {
		text, changed := o.watch()
		if done(text) {
			return
		}
		select {
		case <-changed:
		case <-p.ended:
			// The last output may have come after the check.
			if !done(o.text()) {
				t.Fatalf("%s: ended with %d before: %s", p.name, p.cmd.ProcessState.ExitCode(), what)
			}
			return
		case <-timeout:
			t.Fatalf("%s: not within %s: %s", p.name, within, what)
		}
	}
}

func checkSecrets(t *testing.T, where, text string) {
	t.Helper()
	for _, key := range []string{rightKey, wrongKey} {
		if strings.Contains(text, key) {
			t.Errorf("%s: a client key was written", where)
		}
	}
}
