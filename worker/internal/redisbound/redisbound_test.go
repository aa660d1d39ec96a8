package redisbound

import (
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"
	"testing"

	"github.com/redis/go-redis/v9"

	"github.com/qfpay-worker/qfpay-worker/internal/redistest"
)

func TestMain(m *testing.M) { redistest.Main(m) }

var ok = redistest.OK

// text is a text in RESP.
func text(n int) string { return fmt.Sprintf("$%d\r\n%s\r\n", n, strings.Repeat("\n", n)) }

// What is too long ends the connection, however the answer is cut into pieces; a new command begins a
// new count.
func TestConn_CountsWhatIsAnswered(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		answers []string // one to each command
		want    *TooLongError
	}{
		"short answers":             {[]string{"+OK\r\n", "$-1\r\n", "_\r\n", ":12\r\n", "*2\r\n$1\r\na\r\n$0\r\n\r\n", "%1\r\n+a\r\n=5\r\ntxt:a\r\n"}, nil},
		"texts that fit":            {[]string{text(Text - 2), text(Text - 2), strings.Repeat(text(1000), 1000)}, nil},
		"a long text":               {[]string{"+OK\r\n$131073\r\n"}, &TooLongError{Bytes: 131075, Most: Text}},
		"a long error":              {[]string{"!999999999\r\n"}, &TooLongError{Bytes: 1000000001, Most: Text}},
		"many texts":                {[]string{strings.Repeat(text(Text-2), 64)}, &TooLongError{Bytes: 64 * (Text + 9), Most: Answer}},
		"one answer after another":  {[]string{strings.Repeat(text(Text-2), 50), strings.Repeat(text(Text-2), 50)}, nil},
		"a line that does not end":  {[]string{"+" + strings.Repeat("x", Answer)}, &TooLongError{Bytes: Answer + 1, Most: Answer}},
		"numbers that are no texts": {[]string{":999999999\r\n$x\r\n*999999999\r\n"}, nil},
	} {
		for _, piece := range []int{1, 7, 1 << 15} {
			var got *TooLongError
			if errors.As(read(c.answers, piece), &got); (got == nil) != (c.want == nil) || got != nil && (got.Most != c.want.Most || got.Bytes > c.want.Bytes) {
				t.Errorf("%s in pieces of %d: %v, want %v", name, piece, got, c.want)
			}
		}
	}
}

// nowhere is a connection on which nothing comes.
type nowhere struct{ net.Conn }

func (nowhere) Write(b []byte) (int, error) { return len(b), nil }

// read writes a command for each of the answers, which come in pieces.
func read(answers []string, piece int) error {
	c := &conn{Conn: nowhere{}}
	for _, answer := range answers {
		c.Write(nil)
		for b := range slices.Chunk([]byte(answer), piece) {
			if _, long := c.count(b); long != nil {
				return long
			}
		}
	}
	return nil
}

// The client goes on after an answer that is too long, to one command or to many.
func TestInstall_BoundsTheAnswersOfAClient(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	plain, rdb := server.Client(t), server.Client(t)
	Install(rdb)
	ctx := t.Context()
	ok(t, plain.Set(ctx, "long", strings.Repeat("x", 64<<20), 0).Err())
	ok(t, plain.Set(ctx, "short", strings.Repeat("x", Text-2), 0).Err())
	get := func(keys ...string) error {
		_, err := rdb.Pipelined(ctx, func(pipe redis.Pipeliner) error {
			for _, key := range keys {
				pipe.Get(ctx, key)
			}
			return nil
		})
		return err
	}
	many := make([]string, 100)
	for i := range many {
		many[i] = "short"
	}
	for range 3 {
		err := rdb.Get(ctx, "long").Err()
		if long, is := Exceeded(err); !is || long.Bytes != 64<<20+2 || long.Beginning != strings.Repeat("x", kept) {
			t.Errorf("a long text: %v", err)
		}
		err = get(many...)
		if long, is := Exceeded(err); !is || long.Bytes > Answer+Text {
			t.Errorf("a long answer: %v", err)
		}
		ok(t, get(many[:50]...))
		ok(t, rdb.Get(ctx, "short").Err())
	}
}

// The nodes of a cluster are dialled by clients of their own.
func TestInstall_BoundsTheAnswersOfACluster(t *testing.T) {
	t.Parallel()
	rdb := redistest.StartCluster(t, 3).Client(t)
	Install(rdb)
	ok(t, rdb.Set(t.Context(), "long", strings.Repeat("x", 2*Text), 0).Err())
	err := rdb.Get(t.Context(), "long").Err()
	if _, is := Exceeded(err); !is {
		t.Error(err)
	}
}
