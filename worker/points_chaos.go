//go:build killpoints

package worker

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
)

// killName and killLeft say where this process is to die: QFPAY_KILL_AT=name[:n], at
// the n-th passage of the point of that name, by default the first.
var (
	killName string
	killLeft atomic.Int64
)

func init() {
	name, n, numbered := strings.Cut(os.Getenv("QFPAY_KILL_AT"), ":")
	passages, err := strconv.ParseInt(n, 10, 32)
	if numbered && (err != nil || passages < 1) {
		fmt.Fprintf(os.Stderr, "QFPAY_KILL_AT: must be name or name:n, not %s:%s\n", name, n)
		os.Exit(2)
	}
	killName = name
	killLeft.Store(max(passages, 1))
}

// point kills the process, as the kernel or an operator would, if it is to die here.
func point(name string) {
	if name != killName || killLeft.Add(-1) != 0 {
		return
	}
	fmt.Fprintln(os.Stderr, "killed at", name)
	syscall.Kill(os.Getpid(), syscall.SIGKILL)
	select {} // the signal is on its way
}
