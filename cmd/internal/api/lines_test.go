package api

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/qfpay-worker/qfpay-worker/tasks"
	"github.com/qfpay-worker/qfpay-worker/tasks/orderfile"
)

// lineRead is a lineAnswer as a caller reads it.
type lineRead struct {
	Line int
	accepted
	Problem *problem
}

// said returns the answer to each line: "1 enqueued", "2 422: …".
func said(t testing.TB, body string) (lines []string) {
	t.Helper()
	for line := range strings.Lines(body) {
		a := into[lineRead](t, line)
		if a.Problem != nil {
			lines = append(lines, fmt.Sprintf("%d %d: %s", a.Line, a.Problem.Status, a.Problem.Detail))
		} else {
			lines = append(lines, fmt.Sprintf("%d %s %s", a.Line, a.accepted.Acceptance, a.accepted.ID))
		}
	}
	return lines
}

func TestUpload_EachLineIsAnswered(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	got := r.lines(strings.NewReader("\uFEFF" + strings.Join([]string{
		anOrder("A1"), "", anOrder("A2") + "\r", anOrder("A1"), strings.Replace(anOrder("A1"), "2500", "2501", 1),
		"{", "A4,801501,100,HKD", `{"out_trade_no":"A5"}`, strings.Repeat("x", 2*tasks.MaxOrderBytes), anOrder("A6"), // no line feed
	}, "\n")))
	want := []string{
		"1 enqueued default:A1", "3 enqueued default:A2", "4 duplicate default:A1",
		"5 409: " + (&tasks.ConflictError{ID: "default:A1", State: "NEW"}).Error(),
		"6 400: not JSON at byte 1: unexpected end of JSON input",
		"7 400: not JSON at byte 1: invalid character 'A' looking for beginning of value",
		"8 422: pay_type: is required; txamt: is required; txcurrcd: is required",
		"9 413: too long: an order has at most 65536 bytes", "10 enqueued default:A6",
	}
	if diff := cmp.Diff(want, said(t, got.body)); diff != "" || got.status != http.StatusOK {
		t.Errorf("%d (-want +got):\n%s", got.status, diff)
	}
	if !strings.Contains(r.log.String(), "accepted=4 refused=5") {
		t.Errorf("the log does not count them:\n%s", r.log)
	}
	if got := r.lines(strings.NewReader("")); got.status != http.StatusOK || got.body != "" {
		t.Errorf("nothing: %d %q", got.status, got.body)
	}
}

// uploading is an upload whose answers are read as they come.
type uploading struct {
	t       testing.TB
	body    *io.PipeWriter
	answers *bufio.Reader
}

// upload begins one by sending its first line.
func (r *rig) upload(first string) *uploading {
	r.t.Helper()
	body, w := io.Pipe()
	req := r.request(http.MethodPost, "/v1/orders", manyOrders, body)
	go io.WriteString(w, first)
	res, err := r.plain.Do(req)
	if err != nil {
		r.t.Fatal(err)
	}
	u := &uploading{t: r.t, body: w, answers: bufio.NewReader(res.Body)}
	r.t.Cleanup(func() { w.Close(); res.Body.Close() })
	return u
}

func (u *uploading) next() string {
	u.t.Helper()
	line, err := u.answers.ReadString('\n')
	if err != nil {
		u.t.Fatalf("%v after %q", err, line)
	}
	return said(u.t, line)[0]
}

func TestUpload_LineIsAnsweredBeforeTheNextIsSent(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	u := r.upload(anOrder("A1") + "\n")
	for i, want := range []string{"1 enqueued default:A1", "2 enqueued default:A2", "4 enqueued default:A3"} {
		if i > 0 {
			io.WriteString(u.body, []string{anOrder("A2") + "\n\n", anOrder("A3") + "\n"}[i-1])
		}
		if got := u.next(); got != want {
			t.Errorf("%s, want %s", got, want)
		}
	}
	u.body.Close()
	if rest, err := io.ReadAll(u.answers); err != nil || len(rest) > 0 {
		t.Errorf("%q, %v", rest, err)
	}
}

func TestUpload_ManyOrdersNeedLittleMemory(t *testing.T) { // alone: the heap is that of all tests
	const orders = 20_000
	r := newRig(t)
	body, w := io.Pipe()
	go func() {
		out := bufio.NewWriter(w)
		for i := range orders {
			fmt.Fprintln(out, anOrder(fmt.Sprintf("M-%05d", i)))
		}
		out.Flush()
		w.Close()
	}()
	res, err := r.plain.Do(r.request(http.MethodPost, "/v1/orders", manyOrders, body))
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	var most uint64
	lines, enqueued := bufio.NewScanner(res.Body), 0
	for lines.Scan() {
		enqueued += bytes.Count(lines.Bytes(), []byte(`"acceptance":"enqueued"`))
		if enqueued%2000 == 0 {
			var m runtime.MemStats
			runtime.GC()
			runtime.ReadMemStats(&m)
			most = max(most, m.HeapAlloc)
		}
	}
	if enqueued != orders || lines.Err() != nil {
		t.Errorf("%d enqueued, %v", enqueued, lines.Err())
	}
	if most > 64<<20 {
		t.Errorf("%d bytes in use", most)
	}
	if n := r.rdb.ZCard(t.Context(), keys.Due()).Val(); n != orders {
		t.Errorf("%d orders are due", n)
	}
}

// Answers stay valid; for the other lines, the client is told to send them again.
func TestUpload_EndsWithAWordWhenRedisFails(t *testing.T) {
	t.Parallel()
	r := newRig(t, func(c *Config) { c.RedisTimeout = 3 * time.Second }) // for the first order on a busy machine
	u := r.upload(anOrder("A1") + "\n")
	first := u.next()
	r.redis.Kill()
	io.WriteString(u.body, anOrder("A2")+"\n")
	got := []string{first, u.next(), u.next()}
	want := []string{
		"1 enqueued default:A1",
		"2 503: Redis does not answer; send it again: this is safe, and an accepted order counts as a duplicate",
		"3 503: Redis does not answer; nothing was read from this line on: send it again",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if rest, err := io.ReadAll(u.answers); err != nil || len(rest) > 0 {
		t.Errorf("%q, %v", rest, err)
	}
	if got := r.lines(strings.NewReader(anOrder("A3"))); got.status != http.StatusServiceUnavailable || got.header.Get("Retry-After") == "" {
		t.Errorf("before anything was answered: %+v", got)
	}
}

// A line that is cut off does not count as sent.
func TestUpload_BodyThatBreaksOffIsTakenAsFarAsItCame(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	conn, err := net.Dial("tcp", r.http.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	line := anOrder("A1") + "\n"
	fmt.Fprintf(conn, "POST /v1/orders HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer %s\r\nContent-Type: %s\r\nTransfer-Encoding: chunked\r\n\r\n%x\r\n%s\r\nnonsense\r\n",
		token, manyOrders, len(line), line)
	res, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		t.Fatal(err)
	}
	body, err := io.ReadAll(res.Body)
	want := []string{"1 enqueued default:A1", "2 400: the body is incomplete; nothing was read from this line on: send it again"}
	if diff := cmp.Diff(want, said(t, string(body))); diff != "" || err != nil {
		t.Errorf("%v\n%s", err, diff)
	}
}

// Whatever is sent: every line is answered once and in turn, in the words of package
// tasks, and all as documented.
func FuzzOrders(f *testing.F) {
	for _, seed := range []string{
		anOrder("A1"), anOrder("A1") + "\n\n" + anOrder("A2") + "\r\n{", "\uFEFF[]\nnull\n\xff\n{}", "{\"txamt\":1e9,\"txamt\":2}\n \n",
		`{"out_trade_no":"A1","pay_type":"800101","txamt":"007","txcurrcd":"JPY","deadline":"9999-12-31T23:59:59Z"}`,
	} {
		f.Add(seed)
	}
	r := newRig(f)
	f.Fuzz(func(t *testing.T, body string) {
		r := *r
		r.t = t
		r.api.Transport = &checking{&r, r.plain.Transport}
		_, err := tasks.ParseOrder(bytes.TrimPrefix([]byte(body), []byte(byteOrderMark)))
		one := r.post(body)
		switch {
		case one.status == http.StatusAccepted || one.status == http.StatusConflict:
			if err != nil {
				t.Fatalf("%d, and tasks says: %v", one.status, err)
			}
		case err == nil:
			t.Fatalf("%d %s, and tasks takes it", one.status, one.body)
		case into[problem](t, one.body).Detail != err.Error():
			t.Fatalf("%s, and tasks says: %v", one.body, err)
		}
		last, rows := 0, orderfile.NewJSONRows(strings.NewReader(body))
		for line := range strings.Lines(r.lines(strings.NewReader(body)).body) {
			row, err := rows.Next()
			if err != nil {
				t.Fatalf("one answer too many: %s", line)
			}
			var a lineRead
			if err := json.Unmarshal([]byte(line), &a); err != nil || a.Line != row.Line || a.Line <= last {
				t.Fatalf("%v: %s after %d, want %d", err, line, last, row.Line)
			}
			last = a.Line
			if row.Err != nil && (a.Problem == nil || a.Problem.Detail != row.Err.Error()) {
				t.Fatalf("%s, and tasks says: %v", line, row.Err)
			}
		}
		if row, err := rows.Next(); err != io.EOF {
			t.Fatalf("line %d is not answered: %v", row.Line, err)
		}
	})
}
