package main

import (
	"context"
	"errors"
	"image/png"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/redis/go-redis/v9"

	"github.com/qfpay-worker/qfpay-worker/internal/redistest"
	"github.com/qfpay-worker/qfpay-worker/tasks"
)

var testKeys = tasks.Keys{Prefix: tasks.DefaultPrefix}

// settleOrder gives an order a result, as settle.lua does.
func settleOrder(t *testing.T, rdb *redis.Client, id string, outcome tasks.Outcome, more func(*tasks.Result)) {
	t.Helper()
	merchant, number, _ := strings.Cut(id, ":")
	r := tasks.Result{V: tasks.ResultVersion, ID: id, Merchant: merchant, OutTradeNo: number, Outcome: string(outcome)}
	if outcome == tasks.Created {
		r.QRCode, r.Syssn, r.RespCd = "https://qr.example/"+number+"?a=1&b=2", "2026"+number, "0000"
	}
	if more != nil {
		more(&r)
	}
	entry, err := rdb.XAdd(t.Context(), &redis.XAddArgs{Stream: testKeys.Results(), Values: r.Values()}).Result()
	redistest.OK(t, err)
	redistest.OK(t, rdb.HSet(t.Context(), testKeys.Order(id), "state", "DONE", "outcome", string(outcome), "entry", entry).Err())
	redistest.OK(t, rdb.ZRem(t.Context(), testKeys.Due(), id).Err())
}

// text returns what is in a file, or "no file".
func text(t *testing.T, name string) string {
	t.Helper()
	b, err := os.ReadFile(name)
	if errors.Is(err, os.ErrNotExist) {
		return "no file"
	}
	redistest.OK(t, err)
	return string(b)
}

// left returns the names in a directory.
func left(t *testing.T, dir string) (names []string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	redistest.OK(t, err)
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names
}

// waiting is a command that runs beside the test.
type waiting struct {
	stop     context.CancelFunc
	ended    chan ended
	out, err lockedBuffer
}

func startWaiting(t *testing.T, env []string, args ...string) *waiting {
	t.Helper()
	ctx, stop := context.WithCancel(t.Context())
	w := &waiting{stop: stop, ended: make(chan ended, 1)}
	go func() {
		code := run(ctx, append([]string{"enqueue", "--wait"}, args...), env, stdio{in: strings.NewReader(""), out: &w.out, err: &w.err})
		w.ended <- ended{code, w.out.String(), w.err.String()}
	}()
	t.Cleanup(stop)
	return w
}

// end waits until the command has ended.
func (w *waiting) end(t *testing.T) ended {
	t.Helper()
	eventually(t, "the command has ended", func() bool { return len(w.ended) > 0 })
	return <-w.ended
}

// Every row of the file is in the results, in its place; a second run gives the same file and changes
// no order.
func TestAwait_WritesEachRowWithItsResult(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	rdb, env := server.Client(t), []string{"REDIS_URL=" + server.URL}
	orders := file(t, "orders.csv", head+row("A")+row("B")+"C,800201,12.50,HKD,x\n"+row("A")+row("D")+row("E")+"D,800201,99,HKD,\"=1+1,\"\"x\"\"\"\n")
	if got := command(t, env, "enqueue", orders); got.out != "enqueued=4 duplicate=1 invalid=2\n" {
		t.Fatalf("got %+v", got)
	}
	settleOrder(t, rdb, "default:A", tasks.Created, func(r *tasks.Result) { r.QRExpires = "2026-11-27T02:00:00.000Z" })
	settleOrder(t, rdb, "default:B", tasks.Rejected, func(r *tasks.Result) { r.RespCd, r.Reason = "1108", "=refused\x1b[2J" })
	settleOrder(t, rdb, "default:D", tasks.Created, nil)
	settleOrder(t, rdb, "default:E", tasks.Created, nil)
	redistest.OK(t, rdb.XDel(t.Context(), testKeys.Results(), rdb.HGet(t.Context(), testKeys.Order("default:E"), "entry").Val()).Err())
	before := rdb.HGetAll(t.Context(), testKeys.Order("default:A")).Val()

	codes := filepath.Join(t.TempDir(), "codes")
	for range 2 {
		got := command(t, env, "enqueue", "--wait", "--qr-dir", codes, orders)
		results := filepath.Join(filepath.Dir(orders), "orders.results.csv")
		if got.code != exitInput || got.out != "enqueued=0 duplicate=5 invalid=2\ncreated=4 rejected=1 expired=0 unresolved=0 cancelled=0 invalid=2\n" ||
			!strings.HasSuffix(got.err, "qfpay-worker: 3 of 7 rows are not created: "+results+" says why\n") {
			t.Errorf("got %+v", got)
		}
		const sent = "https://qr.example/"
		if d := cmp.Diff("out_trade_no,pay_type,txamt,txcurrcd,goods_name,outcome,qrcode,qr_expires_at,syssn,respcd,reason\n"+
			"A,800201,1250,HKD,凍檸茶,created,"+sent+"A?a=1&b=2,2026-11-27T02:00:00.000Z,2026A,0000,\n"+
			"B,800201,1250,HKD,凍檸茶,rejected,,,,1108,'=refused\\u001b[2J\n"+
			"C,800201,12.50,HKD,x,,,,,,\"line 4: txamt: must be a whole number of minor units (100 is HKD 1.00), digits only (got \"\"12.50\"\")\"\n"+
			"A,800201,1250,HKD,凍檸茶,created,"+sent+"A?a=1&b=2,2026-11-27T02:00:00.000Z,2026A,0000,\n"+
			"D,800201,1250,HKD,凍檸茶,created,"+sent+"D?a=1&b=2,,2026D,0000,\n"+
			"E,800201,1250,HKD,凍檸茶,created,,,,,\"the result is no longer in the result stream, and the QR code was there only\"\n"+
			"D,800201,99,HKD,\"=1+1,\"\"x\"\"\",,,,,,\"line 8: default:D already exists with other content, and an order cannot be changed; use a new out_trade_no\"\n",
			text(t, results)); d != "" {
			t.Error(d)
		}
		if names := left(t, filepath.Dir(orders)); !slices.Equal(names, []string{"orders.csv", "orders.results.csv"}) {
			t.Errorf("there are %q", names)
		}
	}
	if d := cmp.Diff(before, rdb.HGetAll(t.Context(), testKeys.Order("default:A")).Val()); d != "" {
		t.Errorf("the order changed: %s", d)
	}
	if names := left(t, codes); !slices.Equal(names, []string{"A.png", "D.png"}) {
		t.Errorf("there are %q", names)
	}
	f, err := os.Open(filepath.Join(codes, "A.png"))
	redistest.OK(t, err)
	defer f.Close()
	if _, err := png.Decode(f); err != nil {
		t.Errorf("A.png: %v", err)
	}
}

// Orders are settled while the command waits, in another sequence than that of the file, and in chunks.
func TestAwait_WaitsForEveryOrder(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t, "--appendonly", "yes")
	rdb, env := server.Client(t), []string{"REDIS_URL=" + server.URL}
	const n = awaitedRows + 200
	name := file(t, "my orders (1).ndjson", rows(object, 0, n)+`{"merchant":"shop",`+object("X")[1:])
	results := filepath.Join(t.TempDir(), "r.ndjson")
	w := startWaiting(t, env, "--results", results, name)
	last := testKeys.Order("default:N001199")
	eventually(t, "all orders are there", func() bool { return len(journals(t, rdb)) == n+1 })
	if batch := rdb.HGet(t.Context(), last, "batch").Val(); batch != "my-orders--1-" {
		t.Errorf("the batch is %q", batch)
	}
	server.Kill()
	eventually(t, "Redis is seen to fail", func() bool { return strings.Contains(w.err.String(), "Redis fails, and is tried again") })
	server.Boot(t)
	settleOrder(t, rdb, "shop:X", tasks.Created, nil)
	for number := range journals(t, rdb) {
		if number != "X" {
			settleOrder(t, rdb, "default:"+number, tasks.Created, nil)
		}
	}
	got := w.end(t)
	if got.code != exitDone || got.out != "enqueued=1201 duplicate=0 invalid=0\ncreated=1201 rejected=0 expired=0 unresolved=0 cancelled=0 invalid=0\n" {
		t.Errorf("got %+v", got)
	}
	lines := strings.Split(text(t, results), "\n")
	if len(lines) != n+2 || lines[1100] != strings.TrimSuffix(object("N001100"), "}\n")+
		`,"outcome":"created","qrcode":"https://qr.example/N001100?a=1&b=2","qr_expires_at":"","syssn":"2026N001100","respcd":"0000","reason":""}` {
		t.Errorf("%d lines, the 1101st is %q", len(lines), lines[min(1100, len(lines)-1)])
	}
}

// Two merchants may have the same number.
func TestAwait_DrawsCodesOfSeveralMerchants(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	env, codes := []string{"REDIS_URL=" + server.URL}, t.TempDir()
	orders := file(t, "orders.csv", "merchant,"+head+","+row("A")+"shop,"+row("A")+"shop,"+row("B"))
	command(t, env, "enqueue", orders)
	settleOrder(t, server.Client(t), "default:A", tasks.Created, nil)
	settleOrder(t, server.Client(t), "shop:A", tasks.Created, nil)
	settleOrder(t, server.Client(t), "shop:B", tasks.Created, func(r *tasks.Result) { r.QRCode = strings.Repeat("x", 5000) })
	got := command(t, env, "enqueue", "--wait", "--qr-dir", codes, orders)
	if got.code != exitDone || !strings.Contains(got.err, "1 texts are too long for a QR code") {
		t.Errorf("got %+v", got)
	}
	if names := left(t, codes); !slices.Equal(names, []string{"default.A.png", "shop.A.png"}) {
		t.Errorf("there are %q", names)
	}
}

// What keeps the orders waiting is said once; an interrupt leaves no half file, and loses nothing.
func TestAwait_InterruptedSaysHowFarItIs(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	rdb, env := server.Client(t), []string{"REDIS_URL=" + server.URL}
	name := file(t, "orders.csv", head+row("A")+row("B"))
	redistest.OK(t, rdb.HSet(t.Context(), testKeys.Paused(), "default:800201", "now").Err())
	w := startWaiting(t, env, name)
	eventually(t, "the orders are there", func() bool { return len(journals(t, rdb)) == 2 })
	settleOrder(t, rdb, "default:B", tasks.Created, nil)
	eventually(t, "the delays are said", func() bool { return strings.Contains(w.err.String(), "no worker runs") })
	if names := left(t, filepath.Dir(name)); slices.Contains(names, "orders.results.csv") || len(names) != 2 {
		t.Errorf("before the end there are %q", names)
	}
	w.stop()
	got := w.end(t)
	want := "qfpay-worker: no worker runs, as far as Redis shows: the orders wait until one does, or expire\n" +
		"qfpay-worker: default:800201 is paused: its orders wait until it is resumed, or expire\n" +
		"qfpay-worker: interrupted: 1 of 2 orders have their result\nqfpay-worker: Nothing is lost: the same command goes on\n"
	if !strings.HasSuffix(got.err, want) || got.code != exitOutside || got.out != "enqueued=2 duplicate=0 invalid=0\n" {
		t.Errorf("got %+v, want %s", got, want)
	}
	if names := left(t, filepath.Dir(name)); len(names) != 1 {
		t.Errorf("there are %q", names)
	}
	// With orders that are gone, waiting would never end.
	w = startWaiting(t, env, name)
	eventually(t, "it waits", func() bool { return strings.Contains(w.out.String(), "duplicate=2") })
	redistest.OK(t, rdb.FlushAll(t.Context()).Err())
	if got := w.end(t); got.code != exitOutside || !strings.Contains(got.err, "default:A is not in Redis any more (FLUSHALL, or a failover)") {
		t.Errorf("got %+v", got)
	}
}

// Where the results cannot be written, nothing is enqueued.
func TestAwait_FindsOutFirstThatResultsCannotBeWritten(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	env := []string{"REDIS_URL=" + server.URL}
	orders := file(t, "orders.csv", head+row("A"))
	dir := filepath.Dir(orders)
	link := filepath.Join(dir, "link.csv")
	redistest.OK(t, os.Symlink(orders, link))
	for _, tt := range []struct {
		args []string
		says string
	}{
		{[]string{"--wait", "--results", "/nowhere/r.csv", orders}, "--results: open /nowhere/.r.csv"},
		{[]string{"--wait", "--results", "/proc/r.csv", orders}, "--results: "},
		{[]string{"--wait", "--results", orders, orders}, "is the input file"},
		{[]string{"--wait", "--results", link, orders}, "is the input file"},
		{[]string{"--wait", "--results", dir, orders}, "is a directory"},
		{[]string{"--wait", "--results", "/dev/null", orders}, "is not a regular file; - is standard output"},
		{[]string{"--wait", "--rejects", dir + "/x", "--results", dir + "/./x", orders}, "is the file of --rejects"},
		{[]string{"--wait", "--qr-dir", orders, orders}, "--qr-dir: "},
		{[]string{"--wait", "--qr-dir", "/proc/qr", orders}, "--qr-dir: "},
		{[]string{"--wait", "/dev/null"}, "is not a regular file: save it in a file first"},
		{[]string{"--wait", "-"}, "cannot be standard input: save it in a file first"},
		{[]string{"--wait", "--check", orders}, "--wait: cannot be combined with --check"},
		{[]string{"--wait", "--results", "-", "--rejects", "-", orders}, "cannot both be standard output"},
		{[]string{"--results", "r", orders}, "--results: requires --wait"},
		{[]string{"--qr-dir", "d", orders}, "--qr-dir: requires --wait"},
		{[]string{"--batch", "a b", orders}, "--batch: must be "},
		{[]string{"--wait", file(t, "empty.csv", head)}, "has no orders in it"},
	} {
		got := command(t, env, append([]string{"enqueue"}, tt.args...)...)
		if got.code != exitInput || !strings.Contains(got.err, tt.says) {
			t.Errorf("%v: got %+v, want 2 and %q", tt.args, got, tt.says)
		}
	}
	if n := len(journals(t, server.Client(t))); n != 0 || text(t, orders) != head+row("A") {
		t.Errorf("%d orders are enqueued, and the file is %q", n, text(t, orders))
	}
	if names := left(t, dir); len(names) != 2 {
		t.Errorf("there are %q", names)
	}
}

// brokenPipe cannot be written to.
type brokenPipe struct{}

func (brokenPipe) Write([]byte) (int, error) { return 0, errors.New("no space left") }

func TestAwait_LosesNothingWhenTheDiskIsFull(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	env := []string{"REDIS_URL=" + server.URL}
	orders := file(t, "orders.csv", head+row("A"))
	command(t, env, "enqueue", orders)
	settleOrder(t, server.Client(t), "default:A", tasks.Created, nil)
	var said lockedBuffer
	code := run(t.Context(), []string{"enqueue", "--wait", "--results=-", orders}, env, stdio{in: strings.NewReader(""), out: brokenPipe{}, err: &said})
	if code != exitOutside || !strings.Contains(said.String(), "cannot write standard output: no space left; 1 of 1 orders have their result\n"+
		"qfpay-worker: Nothing is lost: the results are in the result stream, and the same command goes on\n") {
		t.Errorf("%d %s", code, said.String())
	}
	got := command(t, env, "enqueue", "--wait", "--results=-", orders)
	if got.code != exitDone || !strings.HasPrefix(got.out, "out_trade_no,") || !strings.HasSuffix(got.err, "created=1 rejected=0 expired=0 unresolved=0 cancelled=0 invalid=0\n") {
		t.Errorf("got %+v", got)
	}
}

func TestAwait_NamesFollowFromTheFile(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ file, batch, results string }{
		{"orders.csv", "orders", "orders.results.csv"},
		{"/a.b/orders", "orders", "/a.b/orders.results"},
		{"in/2026.11.csv", "2026.11", "in/2026.11.results.csv"},
		{"訂單.csv", "orders", "訂單.results.csv"},
		{"a:b c.ndjson", "a-b-c", "a:b c.results.ndjson"},
		{".csv", "orders", ".results.csv"},
		{strings.Repeat("x", 70) + ".csv", strings.Repeat("x", 64), strings.Repeat("x", 70) + ".results.csv"},
	} {
		if batch, results := batchOf(tt.file), resultsName("", tt.file); batch != tt.batch || results != tt.results {
			t.Errorf("%s: %q and %q", tt.file, batch, results)
		}
	}
}

// The counters of a batch know of orders that are settled behind the chunk, unless they count others too.
func TestAwait_ShowsWhatTheBatchCounts(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	rdb := server.Client(t)
	a := &awaiter{enqueuer: &enqueuer{settings: enqueueSettings{keys: testKeys, batch: "b"}}, rdb: rdb, settled: 10,
		ended: map[tasks.Outcome]int{tasks.Created: 9}, shown: newWaitProgress(io.Discard, 100)}
	for _, tt := range []struct {
		counters         map[string]any
		settled, created int
	}{
		{map[string]any{"accepted": "no number"}, 10, 9},
		{map[string]any{"accepted": 100, "waiting": 60, "created": 35}, 40, 35},
		{map[string]any{"accepted": 100, "waiting": 95, "created": 5}, 10, 9},
		{map[string]any{"accepted": 101, "waiting": 60, "created": 35}, 10, 9},
	} {
		redistest.OK(t, rdb.HSet(t.Context(), testKeys.Batch("b"), tt.counters).Err())
		if settled, created := a.far(t.Context()); settled != tt.settled || created != tt.created {
			t.Errorf("%v: %d and %d, want %d and %d", tt.counters, settled, created, tt.settled, tt.created)
		}
	}
}

func TestAwait_SaysHowMuchTimeIsLeft(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		settled, from int
		want          string
	}{
		{100, 100, "100 of 1000 orders have their result, 90 are created"},
		{400, 100, "400 of 1000 orders have their result, 90 are created; about 1m0s left"},
		{1000, 100, "1000 of 1000 orders have their result, 90 are created"},
	} {
		if got := progressLine(tt.settled, 1000, 90, tt.from, 30*time.Second); got != tt.want {
			t.Errorf("%q, want %q", got, tt.want)
		}
	}
}
