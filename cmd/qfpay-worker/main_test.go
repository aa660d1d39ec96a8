package main

import (
	"bytes"
	"context"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"go.uber.org/goleak"

	"github.com/qfpay-worker/qfpay-worker/internal/redistest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m, redistest.Dialing) }

// ended is what a command left behind.
type ended struct {
	code     int
	out, err string
}

// remarks is standard error without the forecast of enqueue.
func (e ended) remarks() string {
	var rest strings.Builder
	for line := range strings.Lines(e.err) {
		if !strings.HasPrefix(line, "forecast: ") {
			rest.WriteString(line)
		}
	}
	return rest.String()
}

// command runs the program with an environment and no standard input.
func command(t *testing.T, env []string, args ...string) ended {
	t.Helper()
	return commandWith(t.Context(), strings.NewReader(""), env, args...)
}

func commandWith(ctx context.Context, in io.Reader, env []string, args ...string) ended {
	var out, err lockedBuffer
	code := run(ctx, args, env, stdio{in: in, out: &out, err: &err})
	return ended{code, out.String(), err.String()}
}

// lockedBuffer can be read while it is written to.
type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// file writes a file of a test's own and returns its name.
func file(t *testing.T, name, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}
