package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"
	"unicode/utf16"

	"github.com/google/go-cmp/cmp"
	"github.com/redis/go-redis/v9"

	"github.com/qfpay-worker/qfpay-worker/internal/redistest"
	"github.com/qfpay-worker/qfpay-worker/tasks"
	"github.com/qfpay-worker/qfpay-worker/tasks/orderfile"
)

// head is the header row of the tests' CSV.
const head = "out_trade_no,pay_type,txamt,txcurrcd,goods_name\n"

// row is a valid row under head.
func row(number string) string { return number + ",800201,1250,HKD,凍檸茶\n" }

// object is the same order as NDJSON.
func object(number string) string {
	return `{"out_trade_no":"` + number + `","pay_type":"800201","txamt":1250,"txcurrcd":"HKD","goods_name":"凍檸茶"}` + "\n"
}

// rows returns n rows of a kind, numbered from first.
func rows(kind func(string) string, first, n int) string {
	var b strings.Builder
	for i := range n {
		b.WriteString(kind(fmt.Sprintf("N%06d", first+i)))
	}
	return b.String()
}

// journals returns the out_trade_no of every order in Redis.
func journals(t *testing.T, rdb *redis.Client) map[string]bool {
	t.Helper()
	found := map[string]bool{}
	keys, err := rdb.Keys(t.Context(), "{qfpay}:order:*").Result()
	if err != nil {
		t.Fatal(err)
	}
	for _, k := range keys {
		found[k[strings.LastIndex(k, ":")+1:]] = true
	}
	return found
}

func TestEnqueue_FilesOfEveryKindAreRead(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name, text string
		out        string
		code       int
		says       []string // on standard error, in this order
	}{
		{"CSV", head + row("A") + row("B"), "enqueued=2 duplicate=0 invalid=0", exitDone, nil},
		{"NDJSON", object("A") + object("B"), "enqueued=2 duplicate=0 invalid=0", exitDone, nil},
		{"nothing", "", "enqueued=0 duplicate=0 invalid=0", exitInput, []string{"has no orders in it; --allow-empty"}},
		{"a header and nothing else", head, "enqueued=0 duplicate=0 invalid=0", exitInput, []string{"has no orders in it; --allow-empty"}},
		{"a byte order mark", "\xef\xbb\xbf" + head + row("A"), "enqueued=1 duplicate=0 invalid=0", exitDone, nil},
		{"a byte order mark before NDJSON", "\xef\xbb\xbf" + object("A"), "enqueued=1 duplicate=0 invalid=0", exitDone, nil},
		{"CRLF and blank lines", strings.ReplaceAll(head+row("A")+"\n"+row("B"), "\n", "\r\n"), "enqueued=2 duplicate=0 invalid=0", exitDone, nil},
		{"no line feed at the end", head + strings.TrimSuffix(row("A"), "\n"), "enqueued=1 duplicate=0 invalid=0", exitDone, nil},
		{"quotes", head + `"A","800201","1250","HKD","凍檸茶"` + "\n", "enqueued=1 duplicate=0 invalid=0", exitDone, nil},
		{"a row twice", head + row("A") + row("A"), "enqueued=1 duplicate=1 invalid=0", exitDone, nil},
		{"a quote that is not closed", head + row("A") + `"B,800201,1250,HKD,x` + "\n" + row("C"),
			"", exitInput, []string{"line 3: "}},
		{"a number with other content", head + row("A") + strings.Replace(row("A"), "1250", "1251", 1),
			"enqueued=1 duplicate=0 invalid=1", exitInput, []string{"line 3: default:A already exists with other content"}},
		{"wrong types", object("A") + `{"out_trade_no":7,"pay_type":true,"txamt":12.5,"txcurrcd":["HKD"]}` + "\n",
			"enqueued=1 duplicate=0 invalid=1", exitInput, []string{"line 2: ", "out_trade_no", "pay_type", "txamt", "txcurrcd"}},
		{"missing fields", `{"out_trade_no":"A"}` + "\n", "enqueued=0 duplicate=0 invalid=1", exitInput, []string{"line 1: pay_type"}},
		{"an unknown field", strings.Replace(object("A"), "{", `{"amount":1,`, 1), "enqueued=0 duplicate=0 invalid=1", exitInput, []string{"line 1: amount"}},
		{"Latin-1 in rows", head + row("A") + "B,800201,1250,HKD,caf\xe9\n" + "C,800201,1250,HKD,caf\xe9\n", "enqueued=1 duplicate=0 invalid=2", exitInput,
			[]string{"line 3: is not UTF-8, nor are 1 more rows. It looks like windows-1252: save the file as CSV UTF-8, or enqueue it again with --encoding windows-1252\nqfpay-worker: 2 invalid rows"}},
		{"a row of 10 MB", head + row("A") + strings.Repeat("x", 10<<20) + "\n" + row("B"),
			"enqueued=2 duplicate=0 invalid=1", exitInput, []string{"line 3: too long"}},
		{"a row too short", head + "A,800201\n" + row("B"), "enqueued=1 duplicate=0 invalid=1", exitInput, []string{"line 2: the row has 2 columns, the header has 5"}},
		{"an unknown column", "amount," + head + row("A"), "enqueued=0 duplicate=0 invalid=0", exitInput, []string{`unknown columns: "amount"`}},
		{"a missing column", "out_trade_no,pay_type\nA,800201\n", "enqueued=0 duplicate=0 invalid=0", exitInput, []string{"missing columns"}},
		{"no header", row("A") + row("B"), "enqueued=0 duplicate=0 invalid=0", exitInput, []string{"header row"}},
		{"UTF-16", utf16le(head + row("A")), "enqueued=1 duplicate=0 invalid=0", exitDone, nil},
		{"a workbook", "PK\x03\x04", "enqueued=0 duplicate=0 invalid=0", exitInput, []string{"this is an Excel workbook"}},
		{"control characters", head + "\x1b[2J,800201,1250,HKD,x\n", "enqueued=0 duplicate=0 invalid=1", exitInput, []string{"line 2: "}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			server := redistest.Start(t)
			got := command(t, []string{"REDIS_URL=" + server.URL}, "enqueue", file(t, "orders", tt.text))
			if got.code != tt.code || tt.out != "" && got.out != tt.out+"\n" {
				t.Errorf("exit code %d, %q, want %d, %q\n%s", got.code, got.out, tt.code, tt.out, got.err)
			}
			rest := got.err
			for _, says := range tt.says {
				_, after, ok := strings.Cut(rest, says)
				if !ok {
					t.Errorf("standard error does not say %q:\n%s", says, got.err)
				}
				rest = after
			}
			if tt.code == exitDone && got.remarks() != "" {
				t.Errorf("standard error says %q", got.err)
			}
			if strings.Contains(got.err, "\x1b") {
				t.Errorf("a control character reached the terminal: %q", got.err)
			}
		})
	}
}

// The rows are enqueued; a person hears of a name that may be misspelt, once, and of no more names than
// one can read.
func TestEnqueue_SaysThatNoRunningWorkerHasAMerchant(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	env := []string{"REDIS_URL=" + server.URL}
	of := func(merchant, number string) string { return merchant + "," + row(number) }
	text := "merchant," + head + of("shop", "A") + of("shop-x", "B") + of("shop-x", "C")
	if got := command(t, env, "enqueue", "--check", file(t, "orders.csv", text)); got.code != exitDone || got.err != "" {
		t.Errorf("--check: %+v", got)
	}
	if got := command(t, env, "enqueue", file(t, "orders.csv", text)); got.code != exitDone || got.remarks() != "" {
		t.Errorf("while no worker runs: %+v", got)
	}
	server.Client(t).HSet(t.Context(), tasks.Keys{Prefix: tasks.DefaultPrefix}.Merchants(), "shop", 1)
	got := command(t, env, "enqueue", file(t, "orders.csv", text))
	want := "no running worker has merchant shop-x; rows: 2, the first in line 3: the orders wait until one has it, or expire\n"
	if got.code != exitDone || got.out != "enqueued=0 duplicate=3 invalid=0\n" || got.remarks() != want {
		t.Errorf("got %+v, want %q", got, want)
	}
	for i := range 30 {
		text += of(fmt.Sprint("m", i), fmt.Sprint("M", i))
	}
	got = command(t, env, "enqueue", file(t, "orders.csv", text))
	if !strings.Contains(got.err, "has the merchants of more rows; rows: 11, the first in line 24: ") || strings.Count(got.remarks(), "\n") != 21 {
		t.Errorf("31 merchants: %s", got.err)
	}
	server.Client(t).HSet(t.Context(), "{qfpay}:order:shop-x:B", "state", "DONE")
	got = command(t, env, "enqueue", file(t, "orders.csv", "merchant,"+head+of("shop-x", "B")))
	if got.code != exitDone || got.remarks() != "" {
		t.Errorf("an order that has its result: %+v", got)
	}
}

func utf16le(s string) string {
	b := []byte{0xff, 0xfe}
	for _, u := range utf16.Encode([]rune(s)) {
		b = append(b, byte(u), byte(u>>8))
	}
	return string(b)
}

func TestEnqueue_RepeatedFileIsHarmless(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	env := []string{"REDIS_URL=" + server.URL}
	name := file(t, "orders.csv", head+rows(row, 0, 1234))
	for _, want := range []string{"enqueued=1234 duplicate=0 invalid=0\n", "enqueued=0 duplicate=1234 invalid=0\n"} {
		if got := command(t, env, "enqueue", name); got.code != exitDone || got.out != want {
			t.Errorf("got %+v, want %q", got, want)
		}
	}
	if n := len(journals(t, server.Client(t))); n != 1234 {
		t.Errorf("%d orders in Redis, want 1234", n)
	}
}

func TestEnqueue_StandardInputIsReadToo(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	got := commandWith(t.Context(), strings.NewReader(object("A")), []string{"REDIS_URL=" + server.URL}, "enqueue", "-")
	if got.code != exitDone || got.out != "enqueued=1 duplicate=0 invalid=0\n" {
		t.Errorf("got %+v", got)
	}
}

func TestEnqueue_FlagsAreForRowsThatNameNone(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	text := object("A") + strings.Replace(object("B"), "{", `{"lane":"bulk","merchant":"own",`, 1)
	got := commandWith(t.Context(), strings.NewReader(text), []string{"REDIS_URL=" + server.URL, "WORKER_KEY_PREFIX={eu}"},
		"enqueue", "--lane=interactive", "--merchant=shop", "-")
	if got.code != exitDone {
		t.Fatalf("got %+v", got)
	}
	rdb := server.Client(t)
	for key, lane := range map[string]string{"{eu}:order:shop:A": "interactive", "{eu}:order:own:B": "bulk"} {
		if l, err := rdb.HGet(t.Context(), key, "lane").Result(); err != nil || l != lane {
			t.Errorf("%s is in lane %q (%v), want %s", key, l, err, lane)
		}
	}
}

func TestEnqueue_RejectsCanBeMendedAndEnqueued(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	env := []string{"REDIS_URL=" + server.URL}
	out := filepath.Join(t.TempDir(), "rejects.csv")
	text := head + row("A") + strings.Replace(row("A"), "1250", "1", 1) + "B,800201,12.50,HKD,<&>\n"
	got := command(t, env, "enqueue", "--rejects", out, file(t, "orders.csv", text))
	if got.code != exitInput || got.out != "enqueued=1 duplicate=0 invalid=2\n" {
		t.Fatalf("got %+v", got)
	}
	rejected, err := os.ReadFile(out)
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(string(rejected), "\n")
	if lines[0]+"\n" != "reject_reason,"+head || !strings.HasPrefix(lines[1], `"line 3: default:A already exists`) || !strings.HasSuffix(lines[1], ",A,800201,1,HKD,凍檸茶") ||
		!strings.HasPrefix(lines[2], `"line 4: txamt: must be`) || !strings.HasSuffix(lines[2], ",B,800201,12.50,HKD,<&>") {
		t.Errorf("rejects are:\n%s", rejected)
	}
	mended := strings.NewReplacer(",A,", ",A2,", ",12.50,", ",1250,").Replace(string(rejected))
	again := command(t, env, "enqueue", file(t, "mended.csv", mended))
	if again.code != exitDone || again.out != "enqueued=2 duplicate=0 invalid=0\n" {
		t.Errorf("got %+v", again)
	}
	piped := command(t, env, "enqueue", "--rejects=-", file(t, "orders.csv", text))
	if piped.out != string(rejected) || !strings.Contains(piped.err, "enqueued=0 duplicate=1 invalid=2\n") {
		t.Errorf("got %+v", piped)
	}
}

func TestEnqueue_NeverNamesMoreThan100Rows(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	out := filepath.Join(t.TempDir(), "rejects")
	env := []string{"REDIS_URL=" + server.URL}
	name := file(t, "orders.csv", head+strings.Repeat("A,1,1,HKD,x\n", 130))
	got := command(t, env, "enqueue", "--rejects", out, name)
	if n := strings.Count(got.err, "\nline ") + 1; n != 20 || !strings.Contains(got.err, "… and 110 more, see "+out) {
		t.Errorf("%d rows are named:\n%s", n, got.err)
	}
	if text, err := os.ReadFile(out); err != nil || strings.Count(string(text), "\n") != 131 {
		t.Errorf("%d lines are written, want 131 (%v)", strings.Count(string(text), "\n"), err)
	}
	got = command(t, env, "enqueue", name)
	if n := strings.Count(got.err, "\nline ") + 1; n != 100 || !strings.Contains(got.err, "… and 30 more invalid rows; --rejects") {
		t.Errorf("%d rows are named without --rejects:\n%s", n, got.err)
	}
}

// What is no reason to refuse an order is said once, with a count.
func TestEnqueue_SaysOnceWhatIsDoubtful(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	env := []string{"REDIS_URL=" + server.URL}
	text := "out_trade_no,pay_type,txamt,txcurrcd,goods_name,expired_time\nA,800201,1250,HKD,凍檸茶,30\n"
	for i := range 1500 { // more than a batch
		text += fmt.Sprintf("N%d,803701,2501,HKD,Milk Tea %d,30\n", i, i)
	}
	name := file(t, "orders.csv", text+"B,800201,1250,HKD,★,\n")
	got := command(t, env, "enqueue", name)
	want := strings.Join([]string{
		`goods_name is sent in another form (QFPAY_GOODS_NAME=clean); rows: 1501, the first in line 3: "Milk Tea 0" is sent as "MilkTea0"`,
		"warning: txamt should be a multiple of 10 for Octopus (HKD 0.10), or Octopus may refuse it; rows: 1500, the first in line 3: 2501",
		"warning: expired_time is not sent: only 800101, 801501 and 800201 take it; rows: 1500, the first in line 3: 30", ""}, "\n")
	if d := cmp.Diff(want, got.remarks()); d != "" || got.code != exitDone || got.out != "enqueued=1502 duplicate=0 invalid=0\n" {
		t.Errorf("%d, %s\n%s", got.code, got.out, d)
	}
	if got = command(t, env, "enqueue", "--strict", name); got.code != exitInput || got.out != "enqueued=0 duplicate=2 invalid=1500\n" {
		t.Errorf("--strict: %d, %s", got.code, got.out)
	}
	if got = command(t, append(env, "QFPAY_GOODS_NAME=strict"), "enqueue", name); got.code != exitInput || got.out != "enqueued=0 duplicate=1 invalid=1501\n" {
		t.Errorf("strict names: %d, %s", got.code, got.out)
	}
	if got = command(t, append(env, "QFPAY_GOODS_NAME=asis"), "enqueue", name); got.code != exitDone || strings.Contains(got.err, "goods_name") {
		t.Errorf("names as they are: %+v", got)
	}
}

func TestEnqueue_OnlyChecksWithoutRedis(t *testing.T) {
	t.Parallel()
	env := []string{"REDIS_URL=unix:///nowhere/redis.sock", "QFPAY_GOODS_NAME=strict"}
	for text, want := range map[string]ended{
		head + row("A") + row("B"):                 {code: exitDone, out: "valid=2 invalid=0\n"},
		head + row("A") + "B,1,1,HKD,\n":           {code: exitInput, out: "valid=1 invalid=1\n"},
		head + row("A") + "B,800201,999,HKD,a b\n": {code: exitInput, out: "valid=1 invalid=1\n"},
		head:                       {code: exitInput, out: "valid=0 invalid=0\n"},
		head + row("A") + row("A"): {code: exitDone, out: "valid=2 invalid=0\n"},
		head + row("A") + strings.Replace(row("A"), "1250", "1251", 1): {code: exitInput, out: "valid=1 invalid=1\n"},
		head + strings.Replace(row("A"), "1250", "1.5", 1) + row("A"):  {code: exitInput, out: "valid=1 invalid=1\n"},
		"not_before," + head + "2099-01-01T00:00:00Z," + row("A"):      {code: exitInput, out: "valid=0 invalid=1\n"},
	} {
		if got := command(t, env, "enqueue", "--check", file(t, "orders.csv", text)); got.code != want.code || got.out != want.out {
			t.Errorf("%q: got %+v, want %+v", text, got, want)
		}
	}
	if got := command(t, env, "enqueue", "--check", "--allow-empty", file(t, "orders.csv", head)); got.code != exitDone || got.err != "" {
		t.Errorf("--allow-empty: got %+v", got)
	}
}

func TestEnqueue_ReadsTheEncodingThatIsGiven(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	env := []string{"REDIS_URL=" + server.URL}
	big5 := head + "A,800201,1250,HKD,\xad\xe1\xc2f\xaf\xf9\n" // 凍檸茶
	got := command(t, env, "enqueue", file(t, "orders.csv", big5))
	if got.code != exitInput || !strings.Contains(got.err, "with --encoding big5\n") {
		t.Errorf("without it: %+v", got)
	}
	if got = command(t, env, "enqueue", "--encoding=Big5", file(t, "orders.csv", big5)); got.code != exitDone || got.remarks() != "" {
		t.Errorf("with it: %+v", got)
	}
	if got = command(t, env, "enqueue", file(t, "orders.csv", head+row("A"))); got.out != "enqueued=0 duplicate=1 invalid=0\n" {
		t.Errorf("the same order in UTF-8: %+v", got)
	}
}

func TestEnqueue_FilesThatCannotBeUsedAreWrongInput(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	orders := file(t, "orders.csv", head+row("A"))
	for _, tt := range []struct {
		args []string
		says string
	}{
		{[]string{"/nowhere/orders.csv"}, "/nowhere/orders.csv cannot be read: no such file"},
		{[]string{t.TempDir()}, "is a directory"},
		{[]string{"--rejects", "/nowhere/r", orders}, "--rejects: "},
		{[]string{"--rejects", orders, orders}, "is the input file"}, // it would be emptied
	} {
		got := command(t, []string{"REDIS_URL=" + server.URL}, append([]string{"enqueue"}, tt.args...)...)
		if got.code != exitInput || !strings.Contains(got.err, tt.says) {
			t.Errorf("%v: got %+v, want 2 and %q", tt.args, got, tt.says)
		}
	}
	if text, err := os.ReadFile(orders); err != nil || string(text) != head+row("A") {
		t.Errorf("the orders are now %q (%v)", text, err)
	}
}

func TestEnqueue_SaysThatRedisIsAwayAtTheStart(t *testing.T) {
	t.Parallel()
	got := command(t, []string{"REDIS_URL=unix://:" + canary + "@/nowhere/redis.sock"}, "enqueue", file(t, "orders.csv", head+row("A")))
	if got.code != exitOutside || got.out != "enqueued=0 duplicate=0 invalid=0\n" ||
		!strings.Contains(got.err, "Redis at unix:///nowhere/redis.sock (REDIS_URL) failed") || strings.Contains(got.err, canary) {
		t.Errorf("got %+v", got)
	}
}

// counts reads the closing line.
func counts(t *testing.T, out string) (enqueued, duplicate, invalid int) {
	t.Helper()
	m := regexp.MustCompile(`^enqueued=(\d+) duplicate=(\d+) invalid=(\d+)\n$`).FindStringSubmatch(out)
	if m == nil {
		t.Fatalf("the closing line is %q", out)
	}
	enqueued, _ = strconv.Atoi(m[1])
	duplicate, _ = strconv.Atoi(m[2])
	invalid, _ = strconv.Atoi(m[3])
	return enqueued, duplicate, invalid
}

// events is a reader that runs functions between its parts.
type events struct {
	parts []any // string: text to read; func(): a function to run
	part  io.Reader
}

func (e *events) Read(b []byte) (int, error) {
	for {
		if e.part != nil {
			if n, err := e.part.Read(b); err == nil {
				return n, nil
			}
		}
		if len(e.parts) == 0 {
			return 0, io.EOF
		}
		next := e.parts[0]
		e.part, e.parts = nil, e.parts[1:]
		switch next := next.(type) {
		case string:
			e.part = strings.NewReader(next)
		case func():
			next()
		}
	}
}

func TestEnqueue_RedisKilledInTheMiddleCostsNothing(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t, "--appendonly", "yes", "--appendfsync", "always")
	env := []string{"REDIS_URL=" + server.URL}
	before, after := rows(row, 0, 3000), rows(row, 3000, 1000)

	in := &events{parts: []any{head, before, func() { server.Kill() }, after}}
	broken := commandWith(t.Context(), in, env, "enqueue", "-")
	if broken.code != exitOutside || !strings.Contains(broken.err, "(REDIS_URL) failed") {
		t.Fatalf("got %+v", broken)
	}
	server.Boot(t)
	again := commandWith(t.Context(), strings.NewReader(head+before+after), env, "enqueue", "-")
	if again.code != exitDone {
		t.Fatalf("got %+v", again)
	}
	first, _, _ := counts(t, broken.out)
	if line := regexp.MustCompile(`failed after line (\d+):`).FindStringSubmatch(broken.err); line != nil {
		// Every row up to that line is enqueued; the header is a line too.
		if n, _ := strconv.Atoi(line[1]); n-1 > first {
			t.Errorf("%s, but %s", line[0], broken.out)
		}
	}
	fresh, known, invalid := counts(t, again.out)
	// The orders counted the first time are there, and perhaps more whose answers were lost.
	if known < first || fresh+known != 4000 || invalid != 0 {
		t.Errorf("first %s, then %s", broken.out, again.out)
	}
	if n := len(journals(t, server.Client(t))); n != 4000 {
		t.Errorf("%d orders in Redis, want 4000", n)
	}
}

func TestEnqueue_SaysHowFarItGotWhenInterrupted(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	rdb := server.Client(t)
	ctx, interrupt := context.WithCancel(t.Context())
	release := make(chan struct{})
	t.Cleanup(sync.OnceFunc(func() { close(release) }))

	// Ten rows are typed. When they are in Redis, the command waits for more, and is
	// interrupted.
	in := &events{parts: []any{head + rows(row, 0, 10), func() {
		for len(journals(t, rdb)) < 10 {
		}
		interrupt()
		<-release
	}}}
	got := commandWith(ctx, in, []string{"REDIS_URL=" + server.URL}, "enqueue", "-")
	if got.code != exitOutside || got.out != "enqueued=10 duplicate=0 invalid=0\n" || !strings.Contains(got.err, "interrupted after line 11;") {
		t.Errorf("got %+v", got)
	}
}

// failing is a file on a disk that fails.
type failing struct{ io.Reader }

func (f failing) Read(b []byte) (int, error) {
	n, err := f.Reader.Read(b)
	if err == io.EOF {
		err = errors.New("input/output error")
	}
	return n, err
}

func TestEnqueue_FileThatCannotBeReadToItsEndIsAnError(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	got := commandWith(t.Context(), failing{strings.NewReader(head + row("A"))}, []string{"REDIS_URL=" + server.URL}, "enqueue", "-")
	if got.code != exitOutside || !strings.Contains(got.err, "after line 2: input/output error") || got.out != "enqueued=1 duplicate=0 invalid=0\n" {
		t.Errorf("got %+v", got)
	}
}

func TestExamples_AreAsTheirReadmeSays(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	for name, broken := range map[string][]int{
		"orders.csv":    {42, 88, 134, 181, 227, 273},
		"orders.ndjson": {31, 77, 123, 170, 216, 262},
	} {
		got := command(t, []string{"REDIS_URL=" + server.URL}, "enqueue", "../../examples/"+name)
		if got.code != exitInput || got.out != "enqueued=300 duplicate=1 invalid=6\n" {
			t.Errorf("%s: got %+v", name, got)
		}
		var lines []int
		for _, m := range regexp.MustCompile(`(?m)^line (\d+): `).FindAllStringSubmatch(got.err, -1) {
			n, _ := strconv.Atoi(m[1])
			lines = append(lines, n)
		}
		if d := cmp.Diff(broken, lines); d != "" {
			t.Errorf("%s: invalid lines: %s", name, d)
		}
	}
	if n := len(journals(t, server.Client(t))); n != 600 {
		t.Errorf("the files have %d orders between them, want 600", n)
	}
}

func TestExamples_ShowEveryPayTypeAndLane(t *testing.T) {
	for _, name := range []string{"orders.csv", "orders.ndjson"} {
		f, err := os.Open("../../examples/" + name)
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		seen := map[string]int{}
		for rows := orderfile.NewRows(f); ; {
			row, err := rows.Next()
			if errors.Is(err, io.EOF) {
				break
			} else if err != nil {
				t.Fatal(err)
			}
			if row.Err == nil {
				seen[string(row.Order.PayType)]++
				seen[string(row.Order.Lane)]++
			}
		}
		for _, want := range []string{"800101", "801501", "800201", "805801", "800701", "802001", "803701", "interactive", ""} {
			if seen[want] == 0 {
				t.Errorf("%s has no order of %q", name, want)
			}
		}
	}
}

// Every entry point is tested with the same orders, and the command gives the same reasons
// as the others.
func TestEnqueue_RefusesInTheWordsOfTheOtherDoors(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	env := []string{"REDIS_URL=" + server.URL}
	got := command(t, env, "enqueue", "../../tasks/testdata/doors/good.ndjson")
	good, _, invalid := counts(t, got.out)
	if got.code != exitDone || good < 60 || invalid != 0 || strings.Contains(got.err, "qfpay-worker:") {
		t.Errorf("the good: %+v", got)
	}
	text, err := os.ReadFile("../../tasks/testdata/doors/bad.ndjson")
	if err != nil {
		t.Fatal(err)
	}
	var orders, reasons []string
	for line := range strings.Lines(string(text)) {
		var bad struct{ Order, Reason string }
		if err := json.Unmarshal([]byte(line), &bad); err != nil {
			t.Fatal(err)
		}
		orders, reasons = append(orders, bad.Order), append(reasons, bad.Reason)
	}
	got = command(t, env, "enqueue", file(t, "bad.ndjson", strings.Join(orders, "\n")))
	if want := fmt.Sprintf("enqueued=0 duplicate=0 invalid=%d\n", len(orders)); got.code != exitInput || got.out != want || len(orders) < 60 {
		t.Errorf("the bad: %+v, want %s", got, want)
	}
	var said []string
	for line := range strings.Lines(got.err) {
		if _, reason, ok := strings.Cut(strings.TrimSuffix(line, "\n"), ": "); ok && strings.HasPrefix(line, "line ") {
			said = append(said, reason)
		}
	}
	if d := cmp.Diff(reasons, said); d != "" {
		t.Errorf("(-other entry points +here):\n%s", d)
	}
	if n := len(journals(t, server.Client(t))); n != good {
		t.Errorf("%d orders in Redis, want %d", n, good)
	}
}
