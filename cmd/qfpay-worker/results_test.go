package main

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"syscall"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
	"github.com/redis/go-redis/v9"

	"github.com/qfpay-worker/qfpay-worker/internal/redistest"
	"github.com/qfpay-worker/qfpay-worker/tasks"
)

// result is a result as a worker publishes it.
func result(number string) tasks.Result {
	return tasks.Result{
		V: tasks.ResultVersion, ID: "default:" + number, Merchant: "default", OutTradeNo: number, IssuedAs: number,
		Outcome: string(tasks.Created), QRCode: "https://qr.example.com/" + number + "?a=1&b=2", Syssn: "20260302000300020012345678",
		RespCd: "0000", PayType: "800201", TxAmt: "1250", TxCurrCd: "HKD", Lane: "bulk", Attempts: "1",
	}
}

// publish adds results to the stream and returns their entry IDs.
func publish(t *testing.T, rdb *redis.Client, results ...tasks.Result) []string {
	t.Helper()
	var ids []string
	for _, r := range results {
		id, err := rdb.XAdd(context.WithoutCancel(t.Context()), &redis.XAddArgs{Stream: "{qfpay}:results", Values: r.Values()}).Result()
		if err != nil {
			t.Fatal(err)
		}
		ids = append(ids, id)
	}
	return ids
}

func TestResults_TableFitsATerminal(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	reissued := result("A1")
	reissued.IssuedAs = "A1_2"
	refused := result("A2")
	refused.Merchant, refused.Outcome, refused.QRCode, refused.Syssn, refused.RespCd = "shop", "rejected", "", "", "1104"
	refused.Reason = "txcurrcd: " + strings.Repeat("長", 60) + "\x1b[2J"
	long := result(strings.Repeat("W", 32))
	long.Outcome = "unresolved"
	many := result(strings.Repeat("N", 32))
	many.Merchant, many.Outcome, many.QRCode = strings.Repeat("m", 64), "rejected", ""
	many.RespCd, many.Syssn = "RESPCD-0001", strings.Repeat("7", 40) // longer than QFPay's
	publish(t, server.Client(t), reissued, refused, long, many)

	piped := command(t, []string{"REDIS_URL=" + server.URL}, "results")
	for _, whole := range []string{strings.Repeat("長", 60), strings.Repeat("m", 64) + ":" + strings.Repeat("N", 32), "RESPCD-0001"} {
		if !strings.Contains(piped.out, whole) || strings.Contains(piped.out, "…") {
			t.Errorf("%s is cut, where there is no terminal:\n%s", whole, piped.out)
		}
	}
	var out lockedBuffer
	got := ended{code: run(t.Context(), []string{"results"}, []string{"REDIS_URL=" + server.URL}, stdio{out: &out, err: &out, columns: 80})}
	got.out = out.String()
	want := strings.Join([]string{
		"out_trade_no                      outcome     respcd  syssn",
		"A1                                created     0000    20260302000300020012345678",
		"  issued as A1_2",
		"shop:A2                           rejected    1104",
		"  txcurrcd: " + strings.Repeat("長", 33) + "…",
		"WWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWW  unresolved  0000    20260302000300020012345678",
		"NNNNNNNNNNNNNNNNNNNNNNNNNNNNNNNN  rejected    …       …",
		"  of merchant " + strings.Repeat("m", 64),
		"  respcd RESPCD-0001",
		"  syssn " + strings.Repeat("7", 40),
		"",
	}, "\n")
	if d := cmp.Diff(want, got.out); d != "" || got.code != exitDone {
		t.Errorf("exit code %d\n%s", got.code, d)
	}
	for line := range strings.Lines(got.out) {
		if width := utf8.RuneCountInString(line) - 1 + strings.Count(line, "長"); width > 80 {
			t.Errorf("%d columns: %s", width, line)
		}
	}
}

func TestResults_JSONIsOneResultALine(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	want := []tasks.Result{result("A1"), result("A2")}
	publish(t, server.Client(t), want...)
	got := command(t, []string{"REDIS_URL=" + server.URL}, "results", "--format=json")
	var read []tasks.Result
	for line := range strings.Lines(got.out) {
		var r tasks.Result
		if err := json.Unmarshal([]byte(line), &r); err != nil {
			t.Fatalf("%q: %v", line, err)
		}
		read = append(read, r)
	}
	if d := cmp.Diff(want, read); d != "" || got.code != exitDone || got.err != "" {
		t.Errorf("exit code %d, %q\n%s", got.code, got.err, d)
	}
	if !strings.Contains(got.out, "a=1&b=2") {
		t.Error("the & of a QR code's text is escaped")
	}
}

func TestResults_ReadingBeginsAfterFromAndGoesThroughPages(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	all := make([]tasks.Result, page+2)
	for i := range all {
		all[i] = result(fmt.Sprintf("A%04d", i))
	}
	ids := publish(t, server.Client(t), all...)
	env := []string{"REDIS_URL=" + server.URL}
	if got := command(t, env, "results"); strings.Count(got.out, "created") != page+2 || strings.Count(got.out, "outcome") != 1 {
		t.Errorf("%d results under %d heads, want %d under one", strings.Count(got.out, "created"), strings.Count(got.out, "outcome"), page+2)
	}
	if got := command(t, env, "results", "--from="+ids[page]); strings.Count(got.out, "created") != 1 || !strings.Contains(got.out, "A0501") {
		t.Errorf("after the last but one: %s", got.out)
	}
	if got := command(t, env, "results", "--from="+ids[page+1]); got.out != "" || got.err != "no results yet; --follow waits for them\n" || got.code != exitDone {
		t.Errorf("after the last: %+v", got)
	}
}

func TestResults_QRCodesAreDrawnBelowTheirRows(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	lost := result("A2")
	lost.QRCode = strings.Repeat("x", 4000) // too long for a QR code
	publish(t, server.Client(t), result("A1"), lost, result("A3"))
	got := command(t, []string{"REDIS_URL=" + server.URL}, "results", "--qr")
	if n := strings.Count(got.out, " ▄▄▄▄▄ "); n != 6 { // three corners of two codes, two on the same line
		t.Errorf("%d corners of QR codes, want 6:\n%s", n, got.out)
	}
	if a, qr, c := strings.Index(got.out, "A1 "), strings.Index(got.out, "▄"), strings.Index(got.out, "A3 "); a > qr || qr > c {
		t.Errorf("rows and codes do not alternate:\n%s", got.out)
	}
	if !strings.Contains(got.err, "A2: a text of 4000 bytes is too long for a QR code") || got.code != exitDone {
		t.Errorf("exit code %d, %q", got.code, got.err)
	}
}

func TestResults_ForeignEntriesArePassedOver(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	rdb := server.Client(t)
	if err := rdb.XAdd(t.Context(), &redis.XAddArgs{Stream: "{qfpay}:results", Values: []any{"a", "b"}}).Err(); err != nil {
		t.Fatal(err)
	}
	publish(t, rdb, result("A1"))
	got := command(t, []string{"REDIS_URL=" + server.URL}, "results")
	if got.code != exitDone || !strings.Contains(got.out, "A1") || !strings.Contains(got.err, "skipped an entry of the result stream: ") {
		t.Errorf("got %+v", got)
	}
}

// pendingOf counts the entries that a group has received and not acknowledged.
func pendingOf(t *testing.T, rdb *redis.Client, group string) int64 {
	t.Helper()
	p, err := rdb.XPending(t.Context(), "{qfpay}:results", group).Result()
	if err != nil {
		t.Fatal(err)
	}
	return p.Count
}

func TestResults_GroupReadsEachResultOnceAndEnds(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	rdb := server.Client(t)
	env := []string{"REDIS_URL=" + server.URL}
	args := []string{"results", "--group=g", "--consumer=c"}
	if got := command(t, env, args...); got.code != exitDone || got.out != "" { // the stream is not there yet
		t.Errorf("before the first result: %+v", got)
	}
	all := make([]tasks.Result, 100)
	for i := range all {
		all[i] = result(fmt.Sprintf("A%04d", i))
	}
	publish(t, rdb, all...)
	if got := command(t, env, args...); got.code != exitDone || strings.Count(got.out, "created") != 100 {
		t.Errorf("%d results, want 100; %+v", strings.Count(got.out, "created"), got)
	}
	if n := pendingOf(t, rdb, "g"); n != 0 {
		t.Errorf("%d results are not acknowledged", n)
	}
	if got := command(t, env, args...); got.out != "" || got.code != exitDone {
		t.Errorf("the second time: %+v", got)
	}
	if got := command(t, env, "results", "--group=h", "--consumer=c"); strings.Count(got.out, "created") != 100 {
		t.Errorf("another group read %d results, want 100", strings.Count(got.out, "created"))
	}
}

// pipe accepts some writes, and then fails like a closed pipe.
type pipe struct {
	lockedBuffer
	takes int
	err   error
}

func (p *pipe) Write(b []byte) (int, error) {
	if p.takes--; p.takes < 0 {
		return 0, p.err
	}
	return p.lockedBuffer.Write(b)
}

func TestResults_OnlyWrittenOnesAreAcknowledged(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		err  error
		code int
	}{
		{syscall.EPIPE, exitDone}, // as with head -1
		{syscall.ENOSPC, exitOutside},
	} {
		t.Run(tt.err.Error(), func(t *testing.T) {
			t.Parallel()
			server := redistest.Start(t)
			rdb := server.Client(t)
			publish(t, rdb, result("A1"), result("A2"), result("A3"))
			env := []string{"REDIS_URL=" + server.URL}
			args := []string{"results", "--group=g", "--consumer=c"}
			out, errs := &pipe{takes: 1, err: tt.err}, &lockedBuffer{}
			code := run(t.Context(), args, env, stdio{in: strings.NewReader(""), out: out, err: errs})
			if code != tt.code || !strings.Contains(out.String(), "A1") {
				t.Errorf("exit code %d, want %d; %q, %q", code, tt.code, out, errs)
			}
			if strings.Contains(errs.String(), "REDIS_URL") {
				t.Errorf("Redis is blamed: %s", errs)
			}
			again := command(t, env, args...)
			if strings.Contains(again.out, "A1") || !strings.Contains(again.out, "A2") || !strings.Contains(again.out, "A3") {
				t.Errorf("the second time: %+v", again)
			}
		})
	}
}

// slow is an output with slow writes.
type slow struct{ lockedBuffer }

func (s *slow) Write(b []byte) (int, error) {
	time.Sleep(200 * time.Millisecond)
	return s.lockedBuffer.Write(b)
}

func TestResults_GroupTakesOverUnacknowledgedOnesBeforeItEnds(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ name, consumer string }{
		{"by itself, when it died", "c"},
		{"by another consumer, which is dead", "dead"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			server := redistest.Start(t)
			rdb := server.Client(t)
			ids := publish(t, rdb, result("A1"), result("A2"), result("A3"))
			if err := rdb.XGroupCreate(t.Context(), "{qfpay}:results", "g", "$").Err(); err != nil {
				t.Fatal(err)
			}
			for _, id := range ids { // delivered two minutes ago, and never acknowledged
				err := rdb.Do(t.Context(), "XCLAIM", "{qfpay}:results", "g", tt.consumer, 0, id, "IDLE", 120_000, "FORCE").Err()
				if err != nil {
					t.Fatal(err)
				}
			}
			out := &slow{}
			code := run(t.Context(), []string{"results", "--group=g", "--consumer=c"}, []string{"REDIS_URL=" + server.URL},
				stdio{in: strings.NewReader(""), out: out, err: &lockedBuffer{}})
			if n := strings.Count(out.String(), "created"); code != exitDone || n != 3 {
				t.Errorf("exit code %d after %d results, want all 3", code, n)
			}
		})
	}
}

// lines is an output that tells of each line.
type lines struct {
	lockedBuffer
	came chan string
}

func (l *lines) Write(b []byte) (int, error) {
	l.lockedBuffer.Write(b)
	l.came <- string(b)
	return len(b), nil
}

func TestResults_FollowingGoesOnUntilInterrupted(t *testing.T) {
	t.Parallel()
	for _, args := range [][]string{
		{"results", "--follow"},
		{"results", "--follow", "--group=g", "--consumer=c"},
	} {
		t.Run(strings.Join(args, " "), func(t *testing.T) {
			t.Parallel()
			server := redistest.Start(t)
			rdb := server.Client(t)
			publish(t, rdb, result("A1"))
			ctx, interrupt := context.WithCancel(t.Context())
			defer interrupt()
			out := &lines{came: make(chan string, 100)}
			ended := make(chan int)
			go func() {
				ended <- run(ctx, args, []string{"REDIS_URL=" + server.URL}, stdio{in: strings.NewReader(""), out: out, err: &lockedBuffer{}})
			}()
			for i := range 3 {
				number := fmt.Sprintf("A%d", i+1)
				if line := <-out.came; !strings.Contains(line, number) {
					t.Errorf("got %q, want %s", line, number)
				}
				publish(t, rdb, result(fmt.Sprintf("A%d", i+2)))
			}
			interrupt()
			for code := -1; code < 0; {
				select {
				case <-out.came: // the fourth
				case code = <-ended:
					if code != exitDone {
						t.Errorf("exit code %d", code)
					}
				}
			}
		})
	}
}

// A group that vanishes is made again, and the results that are still there come again.
func TestResults_FollowingMakesAVanishedGroupAgain(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	rdb := server.Client(t)
	publish(t, rdb, result("A1"))
	ctx, interrupt := context.WithCancel(t.Context())
	defer interrupt()
	out, errs := &lines{came: make(chan string, 100)}, &lockedBuffer{}
	ended := make(chan int, 1)
	go func() {
		ended <- run(ctx, []string{"results", "--follow", "--group=g", "--consumer=c"}, []string{"REDIS_URL=" + server.URL},
			stdio{in: strings.NewReader(""), out: out, err: errs})
	}()
	await := func(number string) {
		t.Helper()
		select {
		case line := <-out.came:
			if !strings.Contains(line, number) {
				t.Errorf("got %q, want %s", line, number)
			}
		case code := <-ended:
			t.Fatalf("exit code %d: %s", code, errs)
		}
	}
	await("A1")
	redistest.OK(t, rdb.XGroupDestroy(t.Context(), "{qfpay}:results", "g").Err())
	await("A1")
	redistest.OK(t, rdb.FlushAll(t.Context()).Err())
	publish(t, rdb, result("A2"))
	await("A2")
	interrupt()
	if code := <-ended; code != exitDone || strings.Count(errs.String(), "the group g had vanished") != 2 {
		t.Errorf("exit code %d, %s", code, errs)
	}
}

func TestResults_FollowingSaysThatRedisWentAway(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	ids := publish(t, server.Client(t), result("A1"))
	out, errs := &lines{came: make(chan string, 100)}, &lockedBuffer{}
	ended := make(chan int)
	go func() {
		ended <- run(t.Context(), []string{"results", "--follow"}, []string{"REDIS_URL=" + server.URL}, stdio{in: strings.NewReader(""), out: out, err: errs})
	}()
	<-out.came
	server.Kill()
	if code := <-ended; code != exitOutside || !strings.Contains(errs.String(), "(REDIS_URL) failed: after entry "+ids[0]) {
		t.Errorf("exit code %d, %s", code, errs)
	}
}
