package e2e

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"syscall"
	"testing"

	"github.com/qfpay-worker/qfpay-worker/internal/redistest"
	"github.com/qfpay-worker/qfpay-worker/tasks"
)

// After Ctrl-C in the middle of a file, the command says how far it got. If it is run again, it
// enqueues the rest and doubles nothing. The first time, the file is a pipe that does not end, so
// that the command cannot finish before the interrupt.
func TestEnqueue_InterruptedFileIsFinishedByRunningItAgain(t *testing.T) {
	t.Parallel()
	const rows = 5000
	redis := redistest.Start(t)
	keys := tasks.Keys{Prefix: tasks.DefaultPrefix}
	file, _ := sampleFile(t, rows)
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	fifo := filepath.Join(t.TempDir(), "orders")
	if err := syscall.Mkfifo(fifo, 0o600); err != nil {
		t.Fatal(err)
	}
	pipe, err := os.OpenFile(fifo, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	written := make(chan struct{})
	go func() {
		defer close(written)
		pipe.Write(text) // its error is that the test is over
	}()
	defer func() { pipe.Close(); <-written }()

	p := start(t, []string{"REDIS_URL=" + redis.URL}, "qfpay-worker", "enqueue", fifo)
	rdb := redis.Client(t)
	eventually(t, "some orders are accepted", patience, func() bool { return rdb.ZCard(t.Context(), keys.Due()).Val() > rows/5 })
	if err := p.cmd.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	code, there := p.wait(t), int(rdb.ZCard(t.Context(), keys.Due()).Val())
	said := regexp.MustCompile(`interrupted after line (\d+); run it again to continue`).FindStringSubmatch(p.err.text())
	if code != 1 || said == nil {
		t.Fatalf("interrupted: ended with %d and said %q", code, p.err.text())
	}
	// At least as many orders as it says are there; more, if a batch took too long. The header is a
	// line too.
	line, _ := strconv.Atoi(said[1])
	var counted int
	if _, err := fmt.Sscanf(p.out.text(), "enqueued=%d duplicate=0 invalid=0\n", &counted); err != nil || line-1 > counted || counted > there {
		t.Errorf("%d orders are there, and it said %q and %q", there, said[0], p.out.text())
	}
	t.Logf("%s: %d of %d orders", said[0], there, rows)
	if code, line := enqueue(t, redis, file); code != 0 || line != counts(rows-there, there, 0) {
		t.Errorf("again: %d, %s; want %s", code, line, counts(rows-there, there, 0))
	}
	if n := rdb.ZCard(t.Context(), keys.Due()).Val(); n != rows {
		t.Errorf("%d orders wait, want %d", n, rows)
	}
}
