//go:build failpoints

package failpoint

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"time"
)

// armedFailpoint is a signal that this process sends itself at a failpoint.
type armedFailpoint struct {
	name   string // of the failpoint; empty: not armed
	left   atomic.Int64
	signal syscall.Signal
	word   string
}

// QFPAY_KILL_AT=name[:n] kills the process when it reaches the failpoint of that name for the
// n-th time, by default the first. QFPAY_STOP_AT stops it there until it gets SIGCONT.
var failpoints = []*armedFailpoint{
	failpointFrom("QFPAY_KILL_AT", syscall.SIGKILL, "killed at"),
	failpointFrom("QFPAY_STOP_AT", syscall.SIGSTOP, "stopped at"),
}

// Minute is QFPAY_MINUTE, or a minute: how long the worker takes a minute in the life of a QR code to be.
var Minute = minuteFrom("QFPAY_MINUTE")

func minuteFrom(variable string) time.Duration {
	text := os.Getenv(variable)
	if text == "" {
		return time.Minute
	}
	d, err := time.ParseDuration(text)
	if err != nil || d <= 0 {
		fmt.Fprintf(os.Stderr, "%s: must be a duration, not %s\n", variable, text)
		os.Exit(2)
	}
	return d
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

// Hit kills or stops the process, as the kernel or an operator would, if the failpoint is
// armed and its count is reached.
func Hit(name string) {
	for _, a := range failpoints {
		if a.name == name && a.left.Add(-1) == 0 {
			fmt.Fprintln(os.Stderr, a.word, name)
			syscall.Kill(os.Getpid(), a.signal)
			time.Sleep(100 * time.Millisecond) // the signal may reach another thread first
		}
	}
}
