package e2e

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"go.uber.org/goleak"
)

// bin is the directory of the binaries under test.
var bin string

// TestMain builds both binaries with the race detector: a race in a process is
// then seen in its output and its exit code.
func TestMain(m *testing.M) {
	dir, err := os.MkdirTemp("", "qfpay-e2e")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	bin = dir
	build := exec.Command("go", "build", "-race", "-o", dir+string(filepath.Separator), "../qfpay-worker", "../qfpay-sandbox")
	if out, err := build.CombinedOutput(); err != nil {
		fmt.Fprintf(os.Stderr, "go build: %v\n%s", err, out)
		os.RemoveAll(dir)
		os.Exit(1)
	}
	goleak.VerifyTestMain(m, goleak.Cleanup(func(code int) {
		os.RemoveAll(dir)
		os.Exit(code)
	}))
}
