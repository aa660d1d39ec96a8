package e2e

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/qfpay-worker/qfpay-worker/internal/redistest"
)

// The docs show commands in blocks that begin with ```console: lines with "$ " are commands, which
// may go on in lines below, and the others are what the commands print, standard error included.
// "…" in a line stands for text that differs from run to run, and as a line of its own for any
// number of lines. A drawn QR code stands for any.
const consoleFence = "```console\n"

// shownCommand is a command of the docs with what it prints.
type shownCommand struct {
	page    string
	line    int // of the command in its page
	command string
	output  string
}

// shownCommands returns the commands of a page, and in how many blocks they are.
func shownCommands(t *testing.T, page string) (commands []shownCommand, blocks int) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("../..", page))
	if err != nil {
		t.Fatal(err)
	}
	inside, open := false, false // open: the command goes on in the next line
	number := 0
	for line := range strings.Lines(string(text)) {
		number++
		switch last := len(commands) - 1; {
		case line == consoleFence:
			inside = true
			blocks++
		case strings.HasPrefix(line, "```"):
			inside, open = false, false
		case !inside:
			if strings.HasPrefix(line, "$ ") && !strings.HasPrefix(line, "$ make ") { // make test would run this test
				t.Errorf("%s:%d: a command that is not replayed: begin its block with console", page, number)
			}
		case strings.HasPrefix(line, "$ "):
			commands = append(commands, shownCommand{page: page, line: number, command: line[2:]})
			open = goesOn(line[2:])
		case last >= 0 && open:
			commands[last].command += line
			open = goesOn(commands[last].command)
		case last >= 0:
			commands[last].output += line
		}
	}
	return commands, blocks
}

// goesOn reports whether a command is not complete: a backslash at its end, or an open quote.
func goesOn(command string) bool {
	return strings.HasSuffix(command, "\\\n") || strings.Count(command, "'")%2 == 1
}

// drawnQR matches a line of a drawn QR code.
var drawnQR = regexp.MustCompile(`(?m)^[█▀▄ ]{20,}$`)

// pattern returns what the output must match. Of a command that waits for more, it is a beginning.
func (c shownCommand) pattern() *regexp.Regexp {
	var b strings.Builder
	b.WriteString(`\A`)
	for line := range strings.Lines(drawnQR.ReplaceAllString(c.output, "QR")) {
		if line == "…\n" {
			b.WriteString(`(?:.*\n)*`)
			continue
		}
		b.WriteString(strings.ReplaceAll(regexp.QuoteMeta(line), "…", `.*`))
	}
	if !c.follows() {
		b.WriteString(`\z`)
	}
	return regexp.MustCompile(b.String())
}

func (c shownCommand) follows() bool { return strings.Contains(c.command, "--follow") }

// onlyReads reports whether the command may be repeated until the worker has come so far.
func (c shownCommand) onlyReads() bool {
	return strings.HasPrefix(c.command, "curl ") && !strings.Contains(c.command, " -d ") && !strings.Contains(c.command, " -T ")
}

// stage is where the commands of one page run: a directory with the examples and a token, a fresh
// Redis, a gateway and a worker with its API. There are no limits, which only cost time here.
type stage struct {
	dir      string
	settings []string
	api      string
	prelude  string // assignments of earlier commands
}

func newStage(t *testing.T) *stage {
	t.Helper()
	s := &stage{dir: t.TempDir()}
	examples, err := filepath.Abs("../../examples")
	redistest.OK(t, err)
	redistest.OK(t, os.Symlink(examples, filepath.Join(s.dir, "examples")))
	redistest.OK(t, os.WriteFile(filepath.Join(s.dir, "token"), []byte("5f0c9ad27be1846350d9c2e71ab4f836\n"), 0o600))
	s.settings = settings(redistest.Start(t), startGateway(t, "--per-second=0", "--per-minute=0"), rightKey)
	w := startWorker(t, append(s.settings, "QFPAY_PER_SECOND=0", "QFPAY_PER_MINUTE=0", "WORKER_API_ADDR=127.0.0.1:0", "WORKER_API_TOKEN_FILE="+filepath.Join(s.dir, "token")))
	_, api, _ := strings.Cut(w.err.text(), "taking orders over HTTP")
	if _, s.api, _ = cut(api, `"addr":"`, `"`); s.api == "" {
		t.Fatalf("the API has no address: %s", w.err.text())
	}
	return s
}

// run runs a command, and returns what it printed when it ended, or matched and would go on.
func (s *stage) run(t *testing.T, c shownCommand) string {
	t.Helper()
	text := strings.NewReplacer("127.0.0.1:9465", s.api, "go run ./cmd/qfpay-sandbox", "qfpay-sandbox").Replace(c.command)
	if regexp.MustCompile(`^[A-Z]+=`).MatchString(text) {
		s.prelude += text
		return ""
	}
	out := newOutput()
	cmd := exec.Command("bash", "-c", s.prelude+"exec 2>&1\n"+text)
	cmd.Dir, cmd.Stdout, cmd.Stderr = s.dir, out, out
	cmd.Env = append(s.settings, "PATH="+bin+":"+os.Getenv("PATH"), "HOME="+os.Getenv("HOME"), "GORACE=halt_on_error=1 atexit_sleep_ms=0")
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	redistest.OK(t, cmd.Start())
	ended := make(chan struct{})
	go func() {
		cmd.Wait() // most commands of the docs end with 0; what they print says why not
		close(ended)
	}()
	timeout := time.After(patience)
	for {
		text, changed := out.watch()
		if c.follows() && c.pattern().MatchString(text) {
			syscall.Kill(-cmd.Process.Pid, syscall.SIGINT)
			<-ended
			return text
		}
		select {
		case <-changed:
		case <-ended:
			return out.text()
		case <-timeout:
			syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL)
			<-ended
			return out.text()
		}
	}
}

// check runs a command and compares what it prints with what the page shows.
func (s *stage) check(t *testing.T, c shownCommand) {
	t.Helper()
	began := time.Now()
	for {
		got := s.run(t, c)
		checkSecrets(t, c.command, got)
		if c.pattern().MatchString(drawnQR.ReplaceAllString(got, "QR")) {
			return
		}
		if c.onlyReads() && time.Since(began) < patience {
			time.Sleep(20 * time.Millisecond)
			continue
		}
		t.Errorf("%s:%d: the page shows other output than the command prints; correct one of them.\n$ %s--- the page\n%s--- the command\n%s---", c.page, c.line, c.command, c.output, got)
		return
	}
}

// Every console block of README and docs shows what happens, in the sequence of its page.
func TestDocs_ShowWhatTheCommandsPrint(t *testing.T) {
	t.Parallel()
	pages, err := filepath.Glob("../../docs/*.md")
	redistest.OK(t, err)
	total, number := 0, 0
	for _, page := range append([]string{"../../README.md"}, pages...) {
		page = strings.TrimPrefix(page, "../../")
		commands, blocks := shownCommands(t, page)
		total, number = total+blocks, number+len(commands)
		if blocks == 0 {
			continue
		}
		t.Run(page, func(t *testing.T) {
			t.Parallel()
			s := newStage(t)
			for _, c := range commands {
				s.check(t, c)
			}
		})
	}
	if t.Logf("%d console blocks with %d commands", total, number); total < 5 {
		t.Errorf("%d console blocks are replayed: the docs have more", total)
	}
}

// A page that shows something else is found out.
func TestDocs_OtherOutputIsADifference(t *testing.T) {
	for _, c := range []struct {
		shown, printed string
		same           bool
	}{
		{"300\n", "300\n", true},
		{"300\n", "299\n", false},
		{"a …\n", "a 1\n", true},
		{"a …\n", "b 1\n", false},
		{"a\n…\nd\n", "a\nb\nc\nd\n", true},
		{"a\n…\n", "b\n", false},
		{"a\n", "a\nb\n", false},
		{"", "a\n", false},
		{"█▀▄▄▄▄▄▄▄▄▄▄▄▄▄▄▄▄▄▄▄▄▄▄\n", "█▀  ▄▄▄▄▄▄▄▄▄▄▄▄▄▄▄▄▄▄█▄\n", true},
	} {
		shown := shownCommand{output: c.shown}
		if same := shown.pattern().MatchString(drawnQR.ReplaceAllString(c.printed, "QR")); same != c.same {
			t.Errorf("%q and %q: the same: %t", c.shown, c.printed, same)
		}
	}
}
