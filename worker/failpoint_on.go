//go:build killpoints

package worker

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"time"
)

// armedFailpoint is a signal that this process sends itself at a point.
type armedFailpoint struct {
	name   string // of the point; empty: nowhere
	left   atomic.Int64
	signal syscall.Signal
	word   string
}

// QFPAY_KILL_AT=name[:n] has the process killed at the n-th passage of the point of
// that name, by default the first, and QFPAY_STOP_AT has it stopped there until it is
// sent SIGCONT.
var failpoints = []*armedFailpoint{
	failpointFrom("QFPAY_KILL_AT", syscall.SIGKILL, "killed at"),
	failpointFrom("QFPAY_STOP_AT", syscall.SIGSTOP, "stopped at"),
}

func failpointFrom(variable string, s syscall.Signal, word string) *armedFailpoint {
	name, n, numbered := strings.Cut(os.Getenv(variable), ":")
	passages, err := strconv.ParseInt(n, 10, 32)
	if numbered && (err != nil || passages < 1) {
		fmt.Fprintf(os.Stderr, "%s: must be name or name:n, not %s:%s\n", variable, name, n)
		os.Exit(2)
	}
	a := &armedFailpoint{name: name, signal: s, word: word}
	a.left.Store(max(passages, 1))
	return a
}

// failpoint kills or stops the process, as the kernel or an operator would, if it is to
// happen here.
func failpoint(name string) {
	for _, a := range failpoints {
		if a.name == name && a.left.Add(-1) == 0 {
			fmt.Fprintln(os.Stderr, a.word, name)
			syscall.Kill(os.Getpid(), a.signal)
			time.Sleep(100 * time.Millisecond) // the signal may reach another thread first
		}
	}
}
