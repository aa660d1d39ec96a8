package orderfile

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"testing"
	"testing/iotest"
	textutf16 "unicode/utf16"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "write the table of docs/files.md")

// tea is a file with two orders, as it should be.
const tea = "out_trade_no,pay_type,txamt,txcurrcd,goods_name\n" +
	"A1,801501,1250,HKD,珍珠奶茶\nA2,802001,800,HKD,菠蘿包\n"

// teaJSON are its orders as NDJSON.
const teaJSON = `{"out_trade_no":"A1","pay_type":"801501","txamt":1250,"txcurrcd":"HKD","goods_name":"珍珠奶茶"}` + "\n" +
	`{"out_trade_no":"A2","pay_type":"802001","txamt":800,"txcurrcd":"HKD","goods_name":"菠蘿包"}` + "\n"

// with returns tea with something else in the place of old.
func with(old, replacement string) string { return strings.ReplaceAll(tea, old, replacement) }

// in returns a text in another encoding.
func in(e Encoding, text string) string { return string(e.encode(text)) }

// utf16Of returns a text in UTF-16, with the given byte first: the low or the high one.
func utf16Of(text string, littleEndian bool) string {
	var b bytes.Buffer
	for _, u := range textutf16.Encode([]rune(text)) {
		if littleEndian {
			b.Write([]byte{byte(u), byte(u >> 8)})
		} else {
			b.Write([]byte{byte(u >> 8), byte(u)})
		}
	}
	return b.String()
}

const taken = "taken"

// forms are what spreadsheets, databases and shops make of the two orders, and what becomes of it:
// both are taken, or a line says what to do. "A1 refused" means that the other order is taken.
var forms = []struct{ name, file, becomes string }{
	{"CSV in UTF-8", tea, taken},
	{"with a byte order mark (Excel: CSV UTF-8)", "\uFEFF" + strings.ReplaceAll(tea, "\n", "\r\n"), taken},
	{"with two byte order marks", "\uFEFF\uFEFF" + tea, taken},
	{"lines end in CRLF", strings.ReplaceAll(tea, "\n", "\r\n"), taken},
	{"lines end in CR (Excel for Mac)", strings.ReplaceAll(tea, "\n", "\r"), taken},
	{"line ends of all three kinds", strings.Replace(strings.Replace(tea, "\n", "\r", 1), "\n", "\r\n", 1), taken},
	{"no end of line after the last row", strings.TrimSuffix(tea, "\n"), taken},
	{"blank lines", strings.ReplaceAll(tea, "\n", "\n\n \n"), taken},
	{"all cells in quotes", `"` + strings.ReplaceAll(strings.ReplaceAll(strings.TrimSuffix(tea, "\n"), ",", `","`), "\n", "\"\n\"") + "\"\n", taken},
	{"a line break in a quoted name", with("珍珠奶茶", "\"珍珠\n奶茶\""), taken},
	{"unnamed columns at the end", strings.ReplaceAll(tea, "\n", ",,,\n"), taken},
	{"a comma in a name without quotes", with("珍珠奶茶", "珍珠奶茶,大"), "A1 refused: the row has 6 columns, the header has 5"},
	{"a value in an unnamed column", strings.Replace(strings.ReplaceAll(tea, "\n", ",,\n"), "珍珠奶茶,,", "珍珠奶茶,x,", 1), `A1 refused: column 6 has no name in the header row, and "x" in this one`},
	{"a separator too many at the end of each row", strings.ReplaceAll(tea, "茶\n", "茶,\n"), taken},
	{"that, and an amount with a comma", strings.ReplaceAll("out_trade_no,pay_type,txcurrcd,txamt,goods_name\nA1,801501,HKD,1,250,\nA2,802001,HKD,800,\n", "X", ""), "A1 refused: the row has 6 columns, the header has 5"},
	{"rows of commas at the end", tea + ",,,,\n,,,,\n,,,,\n", taken},
	{"rows of commas before the header row", ",,,,\n" + tea, taken},
	{"a first line sep=;", "sep=;\r\n" + strings.ReplaceAll(tea, ",", ";"), taken},
	{"columns separated by ; (Excel in most of Europe)", strings.ReplaceAll(tea, ",", ";"), taken},
	{"by a bar", strings.ReplaceAll(tea, ",", "|"), taken},
	{"by a tab", strings.ReplaceAll(tea, ",", "\t"), taken},
	{"column names in capitals", strings.Replace(tea, strings.SplitN(tea, "\n", 2)[0], "OUT_TRADE_NO,PAY_TYPE,TXAMT,TXCURRCD,GOODS_NAME", 1), taken},
	{"column names with spaces", strings.Replace(tea, strings.SplitN(tea, "\n", 2)[0], " Out Trade No ,Pay Type,TxAmt,Tx Curr Cd,Goods Name ", 1), taken},
	{"column names with points and hyphens", strings.Replace(tea, "out_trade_no,pay_type", "Out trade no.,Pay-Type", 1), taken},
	{"column names after invisible spaces", "\u200B" + strings.ReplaceAll(tea, ",txamt", ",\uFEFFtxamt"), taken},
	{"spaces around values", strings.ReplaceAll(tea, ",", " , "), taken},
	{"spaces of other widths around values", with(",1250,", ",\u00A01250\u3000,"), taken},
	{"the header row again in the middle (files put together)", tea[:strings.Index(tea, "A2")] + "\uFEFF" + tea[:strings.Index(tea, "A1")] + tea[strings.Index(tea, "A2"):], taken},
	{"a column with another name", with("txamt", "amount"), `refused: header row: unknown columns: "amount"; missing columns: "txamt"; the columns are …`},
	{"no header row", strings.SplitN(tea, "\n", 2)[1], `refused: the first line must be a header row with the names of the columns, out_trade_no, pay_type, txamt, txcurrcd and others; it has "A1", "801501", "1250", "HKD", "珍珠奶茶"`},
	{"a row with too few columns", with("A1,801501,", "A1,"), "A1 refused: the row has 4 columns, the header has 5"},
	{"a quote that is not closed", with("珍珠奶茶", `"珍珠奶茶`), "A1 refused: a quote is not closed within 65536 bytes, nor before the end of the file"},
	{"Big5", in(Big5, tea), "A1, A2 refused: is not UTF-8 (it looks like big5)"},
	{"GB18030", in(GB18030, with("珍珠奶茶", "珍珠奶茶")), "A1, A2 refused: is not UTF-8 (it looks like gb18030)"},
	{"Windows-1252 (Excel: CSV)", in(Windows1252, strings.ReplaceAll(with("珍珠奶茶", "Crème brûlée"), "菠蘿包", "Pineapple bun")), "A1 refused: is not UTF-8 (it looks like windows-1252)"},
	{"UTF-16 with a mark (Excel: Unicode text)", "\xFF\xFE" + utf16Of(strings.ReplaceAll(tea, ",", "\t"), true), taken},
	{"UTF-16, high byte first", "\xFE\xFF" + utf16Of(tea, false), taken},
	{"UTF-16 without a mark", utf16Of(tea, true), taken},
	{"NULs at the end of the file", tea + strings.Repeat("\x00", 70000), taken},
	{"the mark of DOS for the end of the file", tea + "\x1A", taken},
	{"NULs at the end of values", with(",1250,", "\x00\x00,1250\x00,"), taken},
	{"an Excel workbook (.xlsx)", "PK\x03\x04\x14\x00\x06\x00\x08\x00", "refused: this is an Excel workbook (or another ZIP file): save it as CSV UTF-8"},
	{"an old Excel workbook (.xls)", "\xD0\xCF\x11\xE0\xA1\xB1\x1A\xE1", "refused: this is an Excel workbook: save it as CSV UTF-8"},
	{"gzip", "\x1F\x8B\x08\x00\x00\x00", "refused: this is compressed with gzip: unpack it, for example with gunzip -c FILE | qfpay-worker enqueue -"},
	{"a PDF", "%PDF-1.7\n", "refused: this is a PDF: export the orders as CSV UTF-8"},
	{"a web page", "<!DOCTYPE html>\n<html>", "refused: this is a web page (HTML): export the orders as CSV UTF-8"},
	{"a web page that Excel saved as one file (.mht)", "MIME-Version: 1.0\r\nX-Document-Type: Workbook\r\n", "refused: this is a web page (MHT): export the orders as CSV UTF-8"},
	{"SYLK (.slk)", "ID;PWXL;N;E\r\nP;PGeneral\r\n", "refused: this is a SYLK workbook: save it as CSV UTF-8"},
	{"a database or an archive", "SQLite format 3\x00\x10\x00\x01\x01", `refused: this is no text, it begins with "SQLite format 3\x00": export the orders as CSV UTF-8`},
	{"a binary file with quotes in it", "\x04\"M\x18\n", `refused: this is no text, it begins with "\x04\"M\x18\n": export the orders as CSV UTF-8`},
	{"an amount with a comma", with("1250", `"1,250"`), `A1 refused: txamt "1,250"`},
	{"an amount with a point", with("1250", "12.50"), `A1 refused: txamt "12.50"`},
	{"an amount as Excel shows large numbers", with("1250", "1.23E+12"), `A1 refused: txamt "1.23E+12"`},
	{"a number as Excel shows large numbers", with("A1", "2.02603E+11"), `2.02603E+11 refused: out_trade_no "2.02603E+11"`},
	{"NDJSON", teaJSON, taken},
	{"NDJSON with a comma after each line", strings.ReplaceAll(teaJSON, "}\n", "},\n"), taken},
	{"NDJSON with a broken line", "{\"out_trade_no\":\"A0\"\n" + teaJSON, "1 refused: not JSON at byte 20: unexpected end of JSON input; A1, A2 taken"},
	{"JSON over several lines", strings.NewReplacer(`{"`, "{\n  \"", `,"`, ",\n  \"", "}", "\n}").Replace(teaJSON), taken},
	{"a JSON array", "[" + strings.Replace(strings.TrimSpace(teaJSON), "\n", ",", 1) + "]", taken},
	{"a JSON array over several lines", "[\n" + strings.NewReplacer(`{"`, "  {\n    \"", `,"`, ",\n    \"", "}\n{", "  },\n  {").Replace(teaJSON) + "]\n\x1A", taken},
	{"a JSON array with something else in it", "[7,\n" + strings.Replace(teaJSON, "}\n{", "},\n{", 1) + "]", `7 refused: an order is a JSON object: {"out_trade_no": …}; A1, A2 taken`},
}

// becomes says what becomes of a file.
func becomes(r io.Reader) string {
	var good, bad []string
	var why string
	rows := NewRows(r)
	for {
		row, err := rows.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return shown("refused: " + err.Error())
		}
		name := row.Order.OutTradeNo
		if row.Err == nil {
			good = append(good, name)
			continue
		}
		if cell, _, ok := strings.Cut(row.Raw, ","); name == "" && ok && row.Raw[0] != '{' {
			name = cell
		}
		if name == "" {
			name = fmt.Sprint(row.Line)
		}
		bad, why = append(bad, name), complaint(row.Err)
		if _, misread := errors.AsType[*EncodingError](row.Err); misread {
			why += " (it looks like " + string(rows.Looks()) + ")"
		}
	}
	both := slices.Equal(good, []string{"A1", "A2"})
	switch {
	case bad == nil && both:
		return taken
	case both:
		why += "; A1, A2 taken"
	}
	return shown(strings.Join(bad, ", ") + " refused: " + why)
}

// shown leaves the names of all columns out of a message.
func shown(s string) string {
	before, _, cut := strings.Cut(s, "the columns are ")
	if cut {
		return before + "the columns are …"
	}
	return s
}

func TestForms_AreTakenOrSaidWhatToDo(t *testing.T) {
	if len(forms) < 40 {
		t.Errorf("%d forms", len(forms))
	}
	for _, f := range forms {
		for kind, r := range map[string]io.Reader{"whole": strings.NewReader(f.file), "byte by byte": iotest.OneByteReader(strings.NewReader(f.file))} {
			if got := becomes(r); got != f.becomes {
				t.Errorf("%s, %s: %s\nwant: %s", f.name, kind, got, f.becomes)
			}
		}
	}
}

// What an order says does not depend on the form of its file.
func TestForms_GiveTheSameOrders(t *testing.T) {
	want := ordersOf(t, strings.NewReader(tea), UTF8)
	for _, f := range forms {
		if f.becomes == taken && !strings.Contains(f.name, "line break") {
			if diff := cmp.Diff(want, ordersOf(t, strings.NewReader(f.file), UTF8)); diff != "" {
				t.Errorf("%s:\n%s", f.name, diff)
			}
		}
	}
	for _, e := range []Encoding{Big5, GB18030} {
		for name, text := range map[string]string{"CSV": tea, "NDJSON": teaJSON, "bars": strings.ReplaceAll(tea, ",", "|")} {
			if diff := cmp.Diff(want, ordersOf(t, strings.NewReader(in(e, text)), e)); diff != "" {
				t.Errorf("%s, %s:\n%s", e, name, diff)
			}
		}
	}
}

func ordersOf(t *testing.T, r io.Reader, e Encoding) (orders []string) {
	t.Helper()
	rows := NewEncodedRows(r, e)
	for {
		row, err := rows.Next()
		if errors.Is(err, io.EOF) {
			return orders
		}
		if err != nil || row.Err != nil {
			t.Fatal(err, row.Err)
		}
		o := row.Order
		orders = append(orders, fmt.Sprint(o.OutTradeNo, o.PayType, o.TxAmt, o.TxCurrCd, o.GoodsName))
	}
}

// docs/files.md has the table above.
func TestForms_AreListedInTheDocs(t *testing.T) {
	const page, begin, end = "../../docs/files.md", "<!-- printed from the forms by TestForms_AreListedInTheDocs -update -->\n", "<!-- end of it -->"
	text, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	before, rest, ok := strings.Cut(string(text), begin)
	_, after, ok2 := strings.Cut(rest, end)
	if !ok || !ok2 {
		t.Fatal("the page has no place for the table")
	}
	var table strings.Builder
	table.WriteString("| the two orders as | what becomes of them |\n|---|---|\n")
	for _, f := range forms {
		fmt.Fprintf(&table, "| %s | %s |\n", strings.ReplaceAll(f.name, "|", `\|`), strings.ReplaceAll(f.becomes, "|", `\|`))
	}
	want := before + begin + table.String() + end + after
	if *update {
		if err := os.WriteFile(page, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
	} else if diff := cmp.Diff(want, string(text)); diff != "" {
		t.Errorf("run this test with -update:\n%s", diff)
	}
}

// Encodings are told apart by short texts too.
func TestLooks_TellsEncodingsApart(t *testing.T) {
	for text, e := range map[string]Encoding{
		"凍檸茶": Big5, "珍珠奶茶": Big5, "叉燒飯": Big5, "電影票": Big5, "雲吞麵": Big5, "西多士": Big5, "兒童門票": Big5,
		"冻柠茶": GB18030, "珍珠奶茶少糖": GB18030, "电影票": GB18030, "叉烧饭": GB18030, "云吞面": GB18030,
		"Café au lait": Windows1252, "Crème brûlée": Windows1252, "Müller & Söhne": Windows1252, "10 €": Windows1252,
	} {
		if got := guess(e.encode("A1,801501,1250,HKD," + text + "\n")); got != e {
			t.Errorf("%s in %s: looks like %s", text, e, got)
		}
	}
}

func TestEncodingOf_TakesTheNamesOfPrograms(t *testing.T) {
	for name, want := range map[string]Encoding{
		"utf-8": UTF8, "UTF8": UTF8, "Big5": Big5, "Big-5": Big5, "big5-hkscs": Big5, "CP950": Big5, "GBK": GB18030, "gb_18030": GB18030,
		"windows-1252": Windows1252, "Windows 1252": Windows1252, "ISO-8859-1": Windows1252, "latin1": Windows1252,
		"": "", "shift_jis": "", "utf-16": "", "iso-8859-15": "",
	} {
		if got := EncodingOf(name); got != want {
			t.Errorf("%s: %s, want %s", name, got, want)
		}
	}
}

// A rejected row that was mended is an order, whatever the form of its file was.
func TestRejected_RowsCanBeMendedAndReadAgain(t *testing.T) {
	for _, c := range []struct {
		name, file string
		e          Encoding
		again      Encoding // of the file of rejects; empty: the same
		mend       string
		mended     string
	}{
		{"CSV", with("1250", "12.50"), UTF8, "", ",12.50,", ",1250,"},
		{"CSV with a mark and CRLF", "\uFEFF" + strings.ReplaceAll(with("1250", "12.50"), "\n", "\r\n"), UTF8, "", ",12.50,", ",1250,"},
		{"sep=; and its separator", "sep=;\n" + strings.ReplaceAll(with("1250", "12.50"), ",", ";"), UTF8, "", ";12.50;", ";1250;"},
		{"an open quote", with("珍珠奶茶", `"珍珠奶茶`), UTF8, "", `,"珍珠奶茶`, ",珍珠奶茶"},
		{"too few columns", with("A1,801501,", "A1,"), UTF8, "", ",A1,1250", ",A1,801501,1250"},
		{"NDJSON", strings.Replace(teaJSON, ":1250,", ":12.50,", 1), UTF8, "", ":12.50,", ":1250,"},
		{"a broken line of NDJSON", strings.Replace(teaJSON, `奶茶"}`, `奶茶"`, 1), UTF8, "", "奶茶\"\n", "奶茶\"}\n"},
		{"a JSON array", "[" + strings.Replace(strings.Replace(teaJSON, ":1250,", ":12.50,", 1), "}\n{", "},{", 1) + "]", UTF8, "", ":12.50,", ":1250,"},
		{"Big5 that was taken for UTF-8", in(Big5, tea), UTF8, Big5, "", ""},
		{"Big5", in(Big5, with("1250", "12.50")), Big5, "", ",12.50,", ",1250,"},
		{"UTF-16", "\xFF\xFE" + utf16Of(with("1250", "12.50"), true), UTF8, "", ",12.50,", ",1250,"},
		{"a column that holds a bar in another encoding", in(Big5, strings.ReplaceAll(with("1250", "12.50"), ",", "|")), Big5, "", "|12.50|", "|1250|"},
	} {
		file := c.file
		for round := range 3 { // rejects of rejects are rejects
			var out bytes.Buffer
			rows := NewEncodedRows(strings.NewReader(file), c.e)
			rejected := 0
			for row, err := rows.Next(); err == nil; row, err = rows.Next() {
				if row.Err != nil {
					if rejected == 0 {
						out.Write(rows.RejectHead())
					}
					rejected++
					out.Write(rows.Rejected(row, fmt.Sprintf(`line %d: %v, "so"`, row.Line, complaint(row.Err))))
				}
			}
			if rejected == 0 {
				t.Fatalf("%s, round %d: nothing is rejected of %q", c.name, round, file)
			}
			file = out.String()
		}
		if strings.Count(file, RejectReason) != max(1, strings.Count(file, "{")) {
			t.Errorf("%s: %q", c.name, file)
		}
		e := c.again
		if e == "" {
			e = c.e
		}
		got := ordersOf(t, strings.NewReader(strings.Replace(file, c.mend, c.mended, 1)), e)
		if want := ordersOf(t, strings.NewReader(tea), UTF8)[:len(got)]; cmp.Diff(want, got) != "" || len(got) == 0 {
			t.Errorf("%s: %q, want %q\n%q", c.name, got, want, file)
		}
	}
}

// Each form can be written again with further columns: UTF-8, the columns of the file in front, and a
// row for each row.
func TestForms_CanBeExtended(t *testing.T) {
	t.Parallel()
	for _, form := range forms {
		rows := NewRows(strings.NewReader(form.file))
		var out []byte
		var numbers []string
		n := 0
		for row, err := rows.Next(); err == nil; row, err = rows.Next() {
			if n++; n == 1 {
				out = rows.ExtendedHead([]string{"outcome", "reason"})
			}
			out = append(out, rows.Extended(row, []string{"outcome", "reason"}, []string{"done", "@x\n&"})...)
			numbers = append(numbers, row.Order.OutTradeNo)
		}
		if n == 0 {
			continue
		}
		if !utf8.Valid(out) {
			t.Errorf("%s: is not UTF-8: %q", form.name, out)
		}
		if rows.csv.head == nil {
			for i, line := range strings.Split(strings.TrimSuffix(string(out), "\n"), "\n") {
				var o map[string]any
				if err := json.Unmarshal([]byte(line), &o); err != nil || o["outcome"] != "done" || o["reason"] != "@x\n&" || numbers[i] != "" && o["out_trade_no"] != numbers[i] {
					t.Errorf("%s: %s (%v)", form.name, line, err)
				}
			}
			continue
		}
		records := recordsOf(t, form.name, out, rows.csv.comma)
		at := columnsOf(records[0])
		if len(records) != n+1 || at[len(at)-2] != "outcome" {
			t.Errorf("%s: %q", form.name, out)
		}
		for i, record := range records[1:] {
			number := record[slices.Index(at, "out_trade_no")]
			if numbers[i] != "" && number != numbers[i] || record[len(at)-2] != "done" || record[len(at)-1] != "'@x\n&" {
				t.Errorf("%s: row %d is %q", form.name, i, record)
			}
		}
	}
}

// recordsOf reads a CSV file that has the same number of cells in each row.
func recordsOf(t *testing.T, name string, text []byte, comma rune) [][]string {
	t.Helper()
	text = bytes.TrimPrefix(text, byteOrderMark)
	text = bytes.TrimPrefix(text, []byte("sep=;\n"))
	r := csv.NewReader(bytes.NewReader(text))
	r.Comma = comma
	records, err := r.ReadAll()
	if err != nil {
		t.Fatalf("%s: %v\n%q", name, err, text)
	}
	return records
}

func TestRows_ExtendedHasWhatCanBeRead(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name, file string
		encoding   Encoding
		want       string
	}{
		{"semicolons, a mark, CRLF, a line sep=", "\uFEFFsep=;\r\n" + strings.NewReplacer(",", ";", "\n", "\r\n").Replace(tea), UTF8,
			"\uFEFFsep=;\nout_trade_no;pay_type;txamt;txcurrcd;goods_name;outcome\nA1;801501;1250;HKD;珍珠奶茶;'=1\nA2;802001;800;HKD;菠蘿包;'=1\n"},
		{"another encoding", in(Big5, tea), Big5,
			"\uFEFFout_trade_no,pay_type,txamt,txcurrcd,goods_name,outcome\nA1,801501,1250,HKD,珍珠奶茶,'=1\nA2,802001,800,HKD,菠蘿包,'=1\n"},
		{"not in the encoding", with("珍珠奶茶", "\xaf\xab"), UTF8,
			"out_trade_no,pay_type,txamt,txcurrcd,goods_name,outcome\nA1,801501,1250,HKD,\uFFFD,'=1\nA2,802001,800,HKD,菠蘿包,'=1\n"},
		{"too many cells, too few, a quote that is not closed", with("珍珠奶茶", "x,y") + "A3,801501\nA4,801501,1,HKD,\"x\n", UTF8,
			"out_trade_no,pay_type,txamt,txcurrcd,goods_name,outcome\nA1,801501,1250,HKD,x,'=1\nA2,802001,800,HKD,菠蘿包,'=1\nA3,801501,,,,'=1\nA4,801501,1,HKD,x,'=1\n"},
		{"a cell that begins with =", with("珍珠奶茶", "=1"), UTF8,
			"out_trade_no,pay_type,txamt,txcurrcd,goods_name,outcome\nA1,801501,1250,HKD,=1,'=1\nA2,802001,800,HKD,菠蘿包,'=1\n"},
		{"JSON", "[{ \"out_trade_no\" : \"A1\" },\n7,\n{}]", UTF8, "{\"out_trade_no\":\"A1\",\"outcome\":\"=1\"}\n{\"outcome\":\"=1\"}\n{\"outcome\":\"=1\"}\n"},
	} {
		rows := NewEncodedRows(strings.NewReader(tt.file), tt.encoding)
		var got []byte
		for row, err := rows.Next(); err == nil; row, err = rows.Next() {
			if got == nil {
				got = rows.ExtendedHead([]string{"outcome"})
			}
			got = append(got, rows.Extended(row, []string{"outcome"}, []string{"=1"})...)
		}
		if d := cmp.Diff(tt.want, string(got)); d != "" {
			t.Errorf("%s: %s", tt.name, d)
		}
	}
}
