// Package redistest starts a redis-server of a test's own: on a unix socket in the
// test's directory, killed when the test ends. Nothing is shared between tests, so
// they may run in parallel and break their server as they like.
package redistest

import (
	"bytes"
	"context"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
)

// Server is one redis-server process.
type Server struct {
	Socket string // path of its unix socket
	Addr   string // host:port, with [StartTCP]
	URL    string // as in REDIS_URL
	args   []string
	cmd    *exec.Cmd
	dir    string
}

// Start runs a redis-server with further arguments, as on its command line, until
// the test ends. Without a redis-server on the machine the test fails. With -short,
// which is for what needs no server, the test is skipped.
func Start(tb testing.TB, args ...string) *Server {
	tb.Helper()
	if testing.Short() {
		tb.Skip("needs a redis-server: go test without -short, or make test")
	}
	if _, err := exec.LookPath("redis-server"); err != nil {
		tb.Fatal("redis-server is missing; install it with: apt-get install redis-server (make test does)")
	}
	// A socket's path may have 107 bytes; a test's TempDir has its name in it.
	dir, err := os.MkdirTemp("", "redis")
	if err != nil {
		tb.Fatal(err)
	}
	s := &Server{Socket: filepath.Join(dir, "s"), dir: dir, args: args}
	s.URL = "unix://" + s.Socket
	tb.Cleanup(func() { s.Kill(); os.RemoveAll(dir) })
	s.Boot(tb)
	return s
}

// Client returns a client of the server, closed when the test ends.
func (s *Server) Client(tb testing.TB) *redis.Client {
	tb.Helper()
	rdb := redis.NewClient(&redis.Options{Network: "unix", Addr: s.Socket})
	tb.Cleanup(func() { rdb.Close() })
	return rdb
}

// Refused returns a client of a user that the server does not let in.
func (s *Server) Refused(tb testing.TB) *redis.Client {
	tb.Helper()
	s.Do(tb, "acl", "setuser", "refused", "off", ">secret", "~*", "&*", "+@all")
	rdb := redis.NewClient(&redis.Options{Network: "unix", Addr: s.Socket, Username: "refused", Password: "secret"})
	tb.Cleanup(func() { rdb.Close() })
	return rdb
}

// Boot starts the server, again after Kill, in the same directory, and waits until
// it answers.
func (s *Server) Boot(tb testing.TB) {
	tb.Helper()
	args := append([]string{"--port", "0", "--unixsocket", s.Socket, "--dir", s.dir,
		"--save", "", "--maxmemory-policy", "noeviction"}, s.args...)
	var out bytes.Buffer
	s.cmd = exec.Command("redis-server", args...)
	s.cmd.Stdout, s.cmd.Stderr = &out, &out
	if err := s.cmd.Start(); err != nil {
		tb.Fatal(err)
	}
	rdb := redis.NewClient(&redis.Options{Network: "unix", Addr: s.Socket, MaxRetries: -1})
	defer rdb.Close()
	for end := time.Now().Add(10 * time.Second); ; {
		err := rdb.Ping(context.Background()).Err()
		if err == nil {
			return
		}
		if time.Now().After(end) {
			s.Kill()
			tb.Fatalf("redis-server did not answer: %v\n%s", err, out.String())
		}
		time.Sleep(5 * time.Millisecond) // polling a process that is starting
	}
}

// Kill ends the server with SIGKILL.
func (s *Server) Kill() {
	if s.cmd == nil {
		return
	}
	s.cmd.Process.Kill()
	s.cmd.Wait()
	s.cmd = nil
}

// Freeze stops the server's process, which answers nothing then, until Thaw or Kill.
func (s *Server) Freeze() { s.cmd.Process.Signal(syscall.SIGSTOP) }

// Thaw lets a frozen server go on.
func (s *Server) Thaw() { s.cmd.Process.Signal(syscall.SIGCONT) }

// Written returns all that was ever written into a server that was started with
// "--appendonly", "yes" and has not rewritten its file since.
func (s *Server) Written(tb testing.TB) string {
	tb.Helper()
	var all bytes.Buffer
	err := filepath.WalkDir(filepath.Join(s.dir, "appendonlydir"), func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		text, err := os.ReadFile(path)
		all.Write(text)
		return err
	})
	if err != nil {
		tb.Fatalf("no append-only file: %v", err)
	}
	return all.String()
}
