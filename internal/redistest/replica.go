package redistest

import (
	"context"
	"fmt"
	"net"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
)

// StartReplica runs a replica of the server at master, host:port, until the test
// ends. It returns when what is written there arrives here.
func StartReplica(tb testing.TB, master string, args ...string) *Server {
	tb.Helper()
	host, p, err := net.SplitHostPort(master)
	if err != nil {
		tb.Fatal(err)
	}
	s := StartTCP(tb, append([]string{"--replicaof", host, p}, args...)...)
	// "online" says less: the first writes may be a second behind even then.
	of := redis.NewClient(&redis.Options{Addr: master})
	defer of.Close()
	key := "redistest"
	err = of.Set(tb.Context(), key, 1, 0).Err()
	for n := 0; redis.HasErrorPrefix(err, "MOVED"); n++ { // a node of a cluster has its own keys only
		key = fmt.Sprint("redistest:", n)
		err = of.Set(tb.Context(), key, 1, 0).Err()
	}
	if err != nil {
		tb.Fatal(err)
	}
	has := func() bool { return s.Do(tb, "exists", key) == "1" }
	await(tb, "the replica has caught up with "+master, has)
	if err := of.Del(tb.Context(), key).Err(); err != nil {
		tb.Fatal(err)
	}
	await(tb, "and follows it", func() bool { return !has() })
	return s
}

// Do sends a command, which must succeed, on a connection of its own, and returns
// the answer as text.
func (s *Server) Do(tb testing.TB, args ...any) string {
	tb.Helper()
	rdb := redis.NewClient(&redis.Options{Network: "unix", Addr: s.Socket})
	defer rdb.Close()
	answer, err := rdb.Do(context.Background(), args...).Result()
	if err != nil {
		tb.Fatalf("%v: %v", args, err)
	}
	return fmt.Sprint(answer)
}

// await asks until the answer is yes: what is waited for happens in other
// processes, which tell nobody.
func await(tb testing.TB, what string, ask func() bool) {
	tb.Helper()
	for end := time.Now().Add(30 * time.Second); !ask(); {
		if time.Now().After(end) {
			tb.Fatalf("not within 30 s: %s", what)
		}
		time.Sleep(10 * time.Millisecond)
	}
}
