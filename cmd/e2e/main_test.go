package e2e

import (
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"go.uber.org/goleak"
)

// bin is the directory of the binaries under test.
var bin string

// raced is off for long runs, where speed matters. Short runs use the race detector.
var raced = flag.Bool("raced", true, "build the binaries under test with the race detector")

// TestMain builds both binaries with the race detector, so that a race shows in the output and the
// exit code of a process. Under another name, this program is the worker of
// TestChaos_FindsOutANaiveWorker.
func TestMain(m *testing.M) {
	if filepath.Base(os.Args[0]) == naiveName {
		workNaively()
		return
	}
	flag.Parse()
	dir, err := os.MkdirTemp("", "qfpay-e2e")
	if err == nil {
		bin = dir
		err = build(dir, "", "../qfpay-worker", "../qfpay-sandbox")
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.RemoveAll(dir)
		os.Exit(1)
	}
	goleak.VerifyTestMain(m, goleak.Cleanup(func(code int) {
		os.RemoveAll(dir)
		os.Exit(code)
	}))
}

// build builds programs into dir. With -trimpath, stacks name the module of each file, as races needs it.
func build(dir, tags string, programs ...string) error {
	args := []string{"build", "-trimpath", fmt.Sprintf("-race=%t", *raced), "-tags", tags, "-o", dir + string(filepath.Separator)}
	if out, err := exec.Command("go", append(args, programs...)...).CombinedOutput(); err != nil {
		return fmt.Errorf("go build: %v\n%s", err, out)
	}
	return nil
}
