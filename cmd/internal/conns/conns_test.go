package conns

import (
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// counts are the dropped connections by reason.
type counts struct {
	mu sync.Mutex
	by map[string]int
}

func (c *counts) add(reason string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.by == nil {
		c.by = map[string]int{}
	}
	c.by[reason]++
}

func (c *counts) of(reason string) int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.by[reason]
}

// serve serves: /known is a client with a token, any other path one without.
func served(t *testing.T, c Config) (addr string) {
	t.Helper()
	raw, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	h := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/known" {
			Known(r)
		}
		io.WriteString(w, "yes")
	})}
	l := Bound(raw, h, c)
	go h.Serve(l)
	t.Cleanup(func() { h.Close() })
	return raw.Addr().String()
}

func dial(t *testing.T, addr string) net.Conn {
	t.Helper()
	c, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

func get(t *testing.T, client *http.Client, url string) {
	t.Helper()
	res, err := client.Get(url)
	if err != nil {
		t.Error(err)
		return
	}
	defer res.Body.Close()
	if text, err := io.ReadAll(res.Body); string(text) != "yes" || err != nil {
		t.Errorf("%q, %v", text, err)
	}
}

// 500 strangers hold connections and open new ones, against a limit of 32. Who is known keeps its
// connection, new ones are served, and never more than the limit are open.
func TestBound_FloodDoesNotStarveOthers(t *testing.T) {
	t.Parallel()
	var dropped counts
	addr := served(t, Config{Limit: 32, Dropped: dropped.add})
	known := &http.Client{Transport: &http.Transport{MaxConnsPerHost: 1}}
	defer known.CloseIdleConnections()
	get(t, known, "http://"+addr+"/known")
	for i := range 500 {
		dial(t, addr)
		if i%50 == 49 {
			get(t, known, "http://"+addr+"/known")
			probe := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
			get(t, probe, "http://"+addr+"/healthz")
		}
	}
	if n := dropped.of(Full); n < 500-32 {
		t.Errorf("%d connections were closed to make room, want at least %d", n, 500-32)
	}
}

// A flood closes its own connections, though they have begun to ask for something, and not that of a
// probe which comes from elsewhere and asks late.
func TestBound_FloodClosesItsOwn(t *testing.T) {
	t.Parallel()
	addr := served(t, Config{Limit: 32})
	probe := dial(t, addr)
	elsewhere := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.IPv4(127, 0, 0, 2)}}
	for range 500 {
		c, err := elsewhere.Dial("tcp", addr)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { c.Close() })
		fmt.Fprint(c, "G")
	}
	fmt.Fprint(probe, "GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
	if text, err := io.ReadAll(probe); !strings.HasSuffix(string(text), "yes") {
		t.Errorf("the probe was answered with %q, %v", text, err)
	}
}

func TestBound_StrangerHasNoMoreThanItsTime(t *testing.T) {
	t.Parallel()
	var dropped counts
	addr := served(t, Config{Limit: 8, Patience: 2 * time.Second, Dropped: dropped.add})
	known, silent, slow := dial(t, addr), dial(t, addr), dial(t, addr)
	fmt.Fprint(known, "GET /known HTTP/1.1\r\nHost: x\r\n\r\n")
	fmt.Fprint(slow, "GET / HTTP/1.1\r\nHo")
	for _, c := range []net.Conn{silent, slow} {
		if text, _ := io.ReadAll(c); len(text) > 0 {
			t.Errorf("a stranger was answered with %q", text)
		}
	}
	fmt.Fprint(known, "GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
	if text, _ := io.ReadAll(known); strings.Count(string(text), "200 OK") != 2 {
		t.Errorf("who is known was answered with %q", text)
	}
	if n := dropped.of(NoToken); n != 2 {
		t.Errorf("%d strangers were dropped, want 2", n)
	}
}

func TestBound_ChoosesWhoHasAskedForNothing(t *testing.T) {
	at := func(seconds int) time.Time { return time.Unix(int64(seconds), 0) }
	l := &Listener{open: map[*conn]struct{}{}}
	many, few := &host{strangers: 2}, &host{strangers: 1}
	want := []*conn{
		{host: many, since: at(3)}, {host: many, since: at(4)},
		{host: many, active: true, since: at(1)}, {host: many, active: true, since: at(2)},
		{host: few, since: at(0)},
		{known: true, since: at(0)},
	}
	l.open[&conn{known: true, active: true}] = struct{}{}
	for _, c := range want {
		l.open[c] = struct{}{}
	}
	for i, c := range want {
		if got := l.victim(); got != c {
			t.Fatalf("%d: got %+v, want %+v", i, got, c)
		}
		delete(l.open, c)
	}
	if got := l.victim(); got != nil {
		t.Errorf("a request of somebody known was cut off: %+v", got)
	}
}

// failing gives an error, then a connection, then ends.
type failing struct {
	net.Listener
	calls atomic.Int32
}

func (f *failing) Accept() (net.Conn, error) {
	if f.calls.Add(1) == 1 {
		return nil, &net.OpError{Op: "accept", Err: syscall.EMFILE}
	}
	return nil, net.ErrClosed
}

func TestBound_WantOfDescriptorsPasses(t *testing.T) {
	t.Parallel()
	raw, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer raw.Close()
	var dropped counts
	l := Bound(&failing{Listener: raw}, &http.Server{}, Config{Limit: 1, Dropped: dropped.add})
	if _, err := l.Accept(); !errors.Is(err, net.ErrClosed) || dropped.of(AcceptError) != 1 {
		t.Errorf("%v, %d errors counted", err, dropped.of(AcceptError))
	}
}

func TestLimit_IsWellBelowTheDescriptors(t *testing.T) {
	var files syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &files); err != nil {
		t.Fatal(err)
	}
	if n := Limit(8, 16, 1024); n < 16 || n > 1024 || n > 16 && uint64(n) > files.Cur/8 {
		t.Errorf("%d of %d descriptors", n, files.Cur)
	}
}
