package e2e

import (
	"strings"
	"syscall"
	"testing"

	"github.com/qfpay-worker/qfpay-worker/internal/redistest"
)

// TestDump_ShowsNoKey makes a worker dump all its goroutines during its calls, as Go does after a
// panic or SIGQUIT.
func TestDump_ShowsNoKey(t *testing.T) {
	t.Parallel()
	redis := redistest.Start(t)
	gateway := startGateway(t, "--latency", "30s")
	w := startWorker(t, append(settings(redis, gateway, rightKey), "GOTRACEBACK=system"))
	file, _ := sampleFile(t, 8)
	enqueue(t, redis, file)
	eventually(t, "calls are under way", patience, func() bool { return len(gateway.calls(t)) > 0 })
	if err := w.cmd.Process.Signal(syscall.SIGQUIT); err != nil {
		t.Fatal(err)
	}
	w.wait(t)
	if dump := w.err.text(); !strings.Contains(dump, "goroutine ") || !strings.Contains(dump, "CreatePayment") {
		t.Errorf("this is not a dump of a worker during a call:\n%s", w.err.tail(2000))
	}
	w.examine(t)
}
