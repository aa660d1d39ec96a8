package orderfile

import (
	"errors"
	"fmt"
	"io"
	"runtime"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"github.com/qfpay-worker/qfpay-worker/qfpay"
	"github.com/qfpay-worker/qfpay-worker/tasks"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	header = "out_trade_no,pay_type,txamt,txcurrcd,goods_name\n"
	good   = `"out_trade_no":"A1","pay_type":"802001","txcurrcd":"HKD"` // the required fields but txamt
)

// all reads every row and returns, for each, "line: out_trade_no" or "line! complaint".
func all(t *testing.T, r io.Reader) (said []string, err error) {
	t.Helper()
	rows := NewRows(r)
	for {
		row, err := rows.Next()
		if err == io.EOF {
			return said, nil
		}
		if err != nil {
			return said, err
		}
		if row.Err != nil {
			said = append(said, fmt.Sprintf("%d! %s", row.Line, complaint(row.Err)))
		} else {
			said = append(said, fmt.Sprintf("%d: %s", row.Line, row.Order.OutTradeNo))
		}
	}
}

// complaint returns the text of an error. For field errors that is the name and the value
// of each field, because package qfpay words the rules.
func complaint(err error) string {
	fields, ok := errors.AsType[qfpay.FieldErrors](err)
	if !ok {
		return err.Error()
	}
	var said []string
	for _, e := range fields {
		said = append(said, fmt.Sprintf("%s %q", e.Field, e.Value))
	}
	return strings.Join(said, ", ")
}

func TestRows_GoodRowsAreReadAndBadOnesReported(t *testing.T) {
	const unclosed = "a quote is not closed within 65536 bytes, nor before the end of the file"
	for _, c := range []struct {
		name, file string
		want       []string
	}{
		{"nothing at all", "", nil},
		{"nothing but blank lines", "\n \r\n\t", nil},
		{"a header and nothing else", header, nil},
		{"CSV", header + "A1,802001,100,HKD,茶\nA2,802001,100,HKD,\n", []string{"2: A1", "3: A2"}},
		{"CSV with CRLF, a byte order mark, blank lines and no end of line",
			"\uFEFF" + strings.ReplaceAll(header, "\n", "\r\n") + "\r\n\r\nA1,802001,100,HKD,茶\r\n  \r\nA2,802001,100,HKD,",
			[]string{"4: A1", "6: A2"}},
		{"NDJSON", `{` + good + `,"txamt":1}` + "\n" + `{` + good + `,"txamt":1}`, []string{"1: A1", "2: A1"}},
		{"NDJSON with CRLF, a byte order mark and blank lines", "\uFEFF\r\n " + `{` + good + `,"txamt":1}` + "\r\n\r\n" + `{` + good + `,"txamt":1}` + "\r\n",
			[]string{"2: A1", "4: A1"}},
		{"NDJSON with a bad line", `{` + good + `,"txamt":1}` + "\n{oops}\n" + `{` + good + `,"txamt":1}`,
			[]string{"1: A1", "2! not JSON at byte 2: invalid character 'o' looking for beginning of object key string", "3: A1"}},
		{"quotes", header + "\"A1\",\"802001\",\"100\",HKD,茶\n", []string{"2: A1"}},
		{"quotes within quotes", header + "\"A\"\"1\",802001,100,HKD,\nA2,802001,100,HKD,\n",
			[]string{`2! out_trade_no "A\"1"`, "3: A2"}},
		{"too few and too many columns", header + "A1,802001\nA2,802001,100,HKD,\nA3,802001,100,HKD,,x\n",
			[]string{"2! the row has 2 columns, the header has 5", "3: A2", "4! the row has 6 columns, the header has 5"}},
		{"a quote in the middle", header + "A1,802001,100,HKD,5\" cup\nA2,802001,100,HKD,\n",
			[]string{`2! not CSV at line 2, byte 20: bare " in non-quoted-field`, "3: A2"}},
		{"a quote that is never closed swallows no other order", header + "A1,802001,100,HKD,\"tea\nA2,802001,100,HKD,\nA3,802001,100,HKD,\n",
			[]string{"2! " + unclosed, "3: A2", "4: A3"}},
		{"a quote that is closed by another row's swallows no other order", header + "A1,802001,100,HKD,\"tea\nA2,802001,100,HKD,\nA3,802001,100,HKD,\"x\n",
			[]string{`2! not CSV at line 4, byte 19: extraneous or missing " in quoted-field`, "3: A2", "4! " + unclosed}},
		{"a quoted field over two lines is one row", header + "A1,802001,100,HKD,\"te\nA9,802001,100,HKD,a\"\nA2,802001,100,HKD,\n",
			[]string{"2: A1", "4: A2"}},
		{"Latin-1", header + "A1,802001,100,HKD,caf\xe9\nA2,802001,100,HKD,cafe\n", []string{"2! is not UTF-8", "3: A2"}},
		{"a NUL", header + "A\x001,802001,100,HKD,\nA2,802001,100,HKD,\n",
			[]string{`2! out_trade_no "A\x001"`, "3: A2"}},
	} {
		for kind, wrap := range map[string]func(io.Reader) io.Reader{
			"whole": func(r io.Reader) io.Reader { return r }, "byte by byte": iotest.OneByteReader, "data with EOF": iotest.DataErrReader,
		} {
			got, err := all(t, wrap(strings.NewReader(c.file)))
			if err != nil {
				t.Errorf("%s, %s: %v", c.name, kind, err)
			}
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Errorf("%s, %s (-want +got):\n%s", c.name, kind, diff)
			}
		}
	}
}

func TestRows_FilesOfAnotherKindAreRefusedAsAWhole(t *testing.T) {
	for _, c := range []struct{ name, file, want string }{
		{"unknown column", "out_trade_no,pay_type,txamt,txcurrcd,amount\n", `unknown columns: "amount"; the columns are merchant, `},
		{"missing columns", "out_trade_no,txamt\n", `missing columns: "pay_type", "txcurrcd"`},
		{"repeated column", "txamt," + header, `repeated columns: "txamt"`},
		{"no header row", "A1,802001,100,HKD\nA2,802001,100,HKD\n", `must be a header row`},
		{"broken header row", "out_trade_no,\"pay_type\n", `the header row is not CSV`},
		{"endless header row", strings.Repeat("x", tasks.MaxOrderBytes+1), `the first line has more than 65536 bytes`},
	} {
		rows := NewRows(strings.NewReader(c.file))
		for range 2 { // the error stays
			_, err := rows.Next()
			if e, ok := errors.AsType[*HeaderError](err); !ok || !strings.Contains(e.Error(), c.want) {
				t.Errorf("%s: %v, want %q in it", c.name, err, c.want)
			}
		}
	}
}

func TestRows_LinesOfAnyLengthNeedNoMemory(t *testing.T) {
	const long = 200 << 20
	for name, c := range map[string]struct{ before, fill, after string }{
		"CSV":                     {header + "A1,802001,100,HKD,\n", "x", "\nA2,802001,100,HKD,\n"},
		"CSV within quotes":       {header + "A1,802001,100,HKD,\n\"", "x", "\nA2,802001,100,HKD,\n"},
		"CSV, nothing but quotes": {header + "A1,802001,100,HKD,\n\"", "\"", "\nA2,802001,100,HKD,\n"},
		"NDJSON":                  {`{` + good + `,"txamt":1}` + "\n{\"udid\":\"", "x", "\"}\n" + `{` + good + `,"txamt":1}`},
	} {
		r := io.MultiReader(strings.NewReader(c.before), io.LimitReader(endless(c.fill[0]), long), strings.NewReader(c.after))
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		got, err := all(t, r)
		runtime.ReadMemStats(&after)
		if err != nil || len(got) != 3 || !strings.Contains(got[1], "too long: an order has at most 65536 bytes") {
			t.Errorf("%s: %q, %v; want three rows, the second too long", name, got, err)
		}
		if used := after.TotalAlloc - before.TotalAlloc; used > 1<<20 {
			t.Errorf("%s: allocated %d bytes", name, used)
		}
	}
}

// endless repeats one byte forever.
type endless byte

func (e endless) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = byte(e)
	}
	return len(p), nil
}

func TestCSV_TheEndOfAQuoteIsLookedForOnlySoFar(t *testing.T) {
	const orders = 20_000 // far more than 64 KiB
	file := header + "A0,802001,100,HKD,\"oops\n" + strings.Repeat("A1,802001,100,HKD,\n", orders)
	got, err := all(t, strings.NewReader(file))
	if err != nil || len(got) != orders+1 || !strings.HasPrefix(got[0], "2! a quote is not closed within 65536 bytes") {
		t.Fatalf("%d rows, %v", len(got), err)
	}
	if last := fmt.Sprintf("%d: A1", orders+2); got[orders] != last {
		t.Errorf("last row %q, want %q", got[orders], last)
	}
}

func TestNDJSON_ALineOfTheLargestSizeIsRead(t *testing.T) {
	order := `{` + good + `,"txamt":1}`
	for _, c := range []struct {
		pad  int
		want string
	}{
		{tasks.MaxOrderBytes - len(order) - 1, "1: A1"}, // with its line feed, just so
		{tasks.MaxOrderBytes - len(order), "1! too long: an order has at most 65536 bytes"},
	} {
		got, err := all(t, strings.NewReader(order+strings.Repeat(" ", c.pad)+"\n"+order))
		if diff := cmp.Diff([]string{c.want, "2: A1"}, got); diff != "" || err != nil {
			t.Errorf("pad %d: %v\n%s", c.pad, err, diff)
		}
	}
}

func TestRows_ABrokenReaderIsNotTheEndOfTheFile(t *testing.T) {
	broken := errors.New("disk gone")
	for name, text := range map[string]string{
		"before anything":    "",
		"in the header":      "out_trade",
		"in a row":           header + "A1,802001,100,HKD,\nA2,80",
		"in quotes":          header + "A1,802001,100,HKD,\"x\n",
		"in a line too long": header + strings.Repeat("x", 3*tasks.MaxOrderBytes),
		"in NDJSON":          `{` + good,
	} {
		_, err := all(t, io.MultiReader(strings.NewReader(text), &failsOnce{broken}))
		if !errors.Is(err, broken) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// failsOnce returns its error once, and then the end of the file.
type failsOnce struct{ err error }

func (f *failsOnce) Read([]byte) (int, error) {
	err := f.err
	f.err = io.EOF
	return 0, err
}

// A producer may write orders into a pipe one by one.
func TestRows_ARowIsReadAsSoonAsItsLineIsThere(t *testing.T) {
	r, w := io.Pipe()
	rows := NewRows(r)
	wrote := make(chan struct{})
	go func() {
		defer close(wrote)
		io.WriteString(w, header+"A1,802001,100,HKD,\n")
	}()
	row, err := rows.Next()
	<-wrote
	if err != nil || row.Order.OutTradeNo != "A1" {
		t.Errorf("%+v, %v", row, err)
	}
	w.Close()
	if _, err := rows.Next(); err != io.EOF {
		t.Error(err)
	}
}

func TestRows_RawIsTheRowAsItStands(t *testing.T) {
	for _, c := range []struct{ file, want string }{
		{header + "A1,8,\"1\",HKD,\r\n", `A1,8,"1",HKD,`},
		{"{\"txamt\":\"\xe9\"}\n", "{\"txamt\":\"\xe9\"}"},
		{header + "é" + strings.Repeat("x", 3*tasks.MaxOrderBytes), "é" + strings.Repeat("x", 254) + "…"},
	} {
		row, err := NewRows(strings.NewReader(c.file)).Next()
		if err != nil || row.Err == nil || row.Raw != c.want {
			t.Errorf("%q, want %q (%v, %v)", row.Raw, c.want, row.Err, err)
		}
	}
}

// The same rows are read however the text is cut into reads, every line is accounted for,
// and reading ends.
func FuzzRows(f *testing.F) {
	for _, seed := range []string{
		header + "A1,802001,100,HKD,茶\n", header + "\"A1\n,\"\"\n\"x\"y\n", "\uFEFF{}\n{" + good + ",\"txamt\":1}\nx",
		"\n\n" + header + "\r\n\"\r\n", "[", "\xff\xfe", "[{},{\n}\n{]", "{\n\"a\":1\n}\n{", "sep=;\r" + strings.ReplaceAll(header, ",", ";") + ";;;;\rA1;8\x00\x00", header + "\xa4@,\n\"\r\n", "out_trade_no,pay_type,txamt,txcurrcd\nA1,802001,1,HKD\nA1,802001,1,HKD",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		whole, err := all(t, strings.NewReader(text))
		bytewise, err2 := all(t, iotest.OneByteReader(strings.NewReader(text)))
		if diff := cmp.Diff(whole, bytewise); diff != "" || fmt.Sprint(err) != fmt.Sprint(err2) {
			t.Fatalf("%v, %v\n%s", err, err2, diff)
		}
		last := 0
		rows := NewRows(strings.NewReader(text))
		for row, err := rows.Next(); err == nil; row, err = rows.Next() {
			if row.Line < last || row.Line > 1+strings.Count(text, "\n")+strings.Count(text, "\r") {
				t.Fatalf("line %d after line %d", row.Line, last)
			}
			last = row.Line
		}
	})
}

func TestNDJSON_LinesThatAreNoObjectAreBadRows(t *testing.T) {
	order := `{` + good + `,"txamt":1}`
	rows := NewJSONRows(strings.NewReader("\uFEFF\n" + header + "[" + order + "]\n" + order))
	var said []string
	for {
		row, err := rows.Next()
		if err == io.EOF {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		said = append(said, fmt.Sprint(row.Line, " ", row.Order.OutTradeNo, " ", row.Err))
	}
	want := []string{
		"2  not JSON at byte 1: invalid character 'o' looking for beginning of value",
		`3  an order is a JSON object: {"out_trade_no": …}`,
		"4 A1 <nil>",
	}
	if diff := cmp.Diff(want, said); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if row, err := NewJSONRows(strings.NewReader("")).Next(); err != io.EOF {
		t.Errorf("from an empty file: %+v, %v", row, err)
	}
}

// A caller that collects rows while some are buffered never waits while it has rows.
func TestRows_BufferedSaysWhetherNextWaits(t *testing.T) {
	order := `{` + good + `,"txamt":1}`
	r, w := io.Pipe()
	defer w.Close()
	rows := NewJSONRows(r)
	for _, c := range []struct {
		name, write string
		rows        int
	}{
		{"a line", order + "\n", 1},
		{"two lines and the beginning of a third", order + "\n" + order + "\n" + order[:9], 2},
		{"its end, and blank lines", order[9:] + "\n\n \n", 1},
		{"a bad line", "{\n", 1},
	} {
		go io.WriteString(w, c.write) // one read
		got := 0
		for got == 0 || rows.Buffered() {
			if _, err := rows.Next(); err != nil {
				t.Fatal(c.name, err)
			}
			got++
		}
		if got != c.rows {
			t.Errorf("%s: %d rows, want %d", c.name, got, c.rows)
		}
	}
}
