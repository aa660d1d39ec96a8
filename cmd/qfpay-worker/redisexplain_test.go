package main

import (
	"bufio"
	"context"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/qfpay-worker/qfpay-worker/internal/redistest"
)

// twemproxy answers as a proxy that knows some commands of Redis and hangs up at any other.
func twemproxy(t *testing.T) (addr string) {
	t.Helper()
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	redistest.OK(t, err)
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer conn.Close()
				for in := bufio.NewScanner(conn); in.Scan(); {
					switch word := in.Text(); {
					case word == "PING":
						conn.Write([]byte("+PONG\r\n"))
					case word == "hello" || word == "HELLO":
						return
					}
				}
			}()
		}
	}()
	return l.Addr().String()
}

func TestRedis_SaysWhatIsWrongWithTheURL(t *testing.T) {
	t.Parallel()
	authority := redistest.NewAuthority(t)
	withTLS, inClear := redistest.StartTLS(t, authority), redistest.StartTCP(t)
	sentinel := redistest.StartSentinel(t, inClear.Addr, nil)
	for _, c := range []struct{ url, says string }{
		{"redis://" + withTLS.Addr, withTLS.Addr + " speaks TLS: use rediss:// instead of redis://"},
		{"rediss://" + inClear.Addr + "?dial_timeout=200ms", inClear.Addr + " does not speak TLS: use redis:// instead of rediss://"},
		{"redis-sentinel://" + sentinel + "?dial_timeout=200ms&tls=true&master=" + redistest.MasterName, sentinel + " does not speak TLS: "},
		{"redis-cluster://" + withTLS.Addr, withTLS.Addr + " speaks TLS: "},
		{"redis-cluster://" + inClear.Addr, "This Redis is not a cluster: use redis:// instead of redis-cluster://"},
		{"redis://" + twemproxy(t), "answers PING, but hangs up at HELLO, as a proxy does"},
	} {
		t.Run(c.url, func(t *testing.T) {
			t.Parallel()
			ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second) // in case it runs
			defer cancel()
			env := oneMerchant("REDIS_URL="+c.url, "WORKER_HTTP_ADDR=127.0.0.1:0")
			for _, args := range [][]string{{"run"}, {"enqueue", file(t, "o.csv", oneOrder)}} {
				got := commandWith(ctx, strings.NewReader(""), env, args...)
				if got.code != exitInput || !strings.Contains(got.err, c.says) {
					t.Errorf("%v: exit code %d, want 2 and %q\n%s", args, got.code, c.says, got.err)
				}
			}
		})
	}
}

// A server with too many clients says so and hangs up; its words are shown.
func TestRedis_SaysThatItHasTooManyClients(t *testing.T) {
	t.Parallel()
	server := redistest.StartTCP(t)
	other, err := net.Dial("tcp", server.Addr)
	redistest.OK(t, err)
	defer other.Close()
	_, err = other.Write([]byte("PING\r\n"))
	redistest.OK(t, err)
	if _, err := other.Read(make([]byte, 10)); err != nil {
		t.Fatal(err)
	}
	server.Do(t, "config", "set", "maxclients", 1)
	conn, err := dialer{timeout: time.Second}.dial(t.Context(), "tcp", server.Addr)
	redistest.OK(t, err)
	defer conn.Close()
	if _, err := conn.Read(make([]byte, 100)); err == nil || err.Error() != "Redis takes no connection: ERR max number of clients reached" {
		t.Error(err)
	}
	got := command(t, []string{"REDIS_URL=" + server.URL}, "results")
	if got.code != exitOutside || !strings.Contains(got.err, "Redis takes no connection: ERR max number of clients reached") {
		t.Errorf("%+v", got)
	}
}
