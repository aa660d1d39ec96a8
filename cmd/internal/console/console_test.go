package console

import (
	"bytes"
	"errors"
	"io"
	"os"
	"regexp"
	"strings"
	"testing"
	"testing/synctest"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
	"rsc.io/qr"
)

func TestTable_ColumnsLineUpOnTheScreen(t *testing.T) {
	table := NewTable("name", "n", "end")
	table.Add("凍檸茶", "1", "x") // six columns wide
	table.Add("abcdefg", "22", "y")
	table.Add("short")
	var out strings.Builder
	if err := table.Write(&out); err != nil {
		t.Fatal(err)
	}
	want := "name     n   end\n凍檸茶   1   x\nabcdefg  22  y\nshort\n"
	if d := cmp.Diff(want, out.String()); d != "" {
		t.Error(d)
	}
}

func TestTable_WrittenInPartsKeepsItsWidths(t *testing.T) {
	table := NewTable("a", "b")
	table.Fix(4)
	table.Add("1", "2")
	var out strings.Builder
	for range 2 { // the head comes once
		if err := table.Write(&out); err != nil {
			t.Fatal(err)
		}
		table.Add("33", "4")
		table.Note("  a note that is rather long", 10)
	}
	want := "a     b\n1     2\n33    4\n  a note …\n"
	if d := cmp.Diff(want, out.String()); d != "" {
		t.Error(d)
	}
}

func TestTable_ShowsHiddenCharactersAsEscapes(t *testing.T) {
	table := NewTable("a")
	table.Add("\x1b[2Jx\r\n\u009b1m")
	table.Note("\a", 80)
	var out strings.Builder
	if err := table.Write(&out); err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff("a\n\\u001b[2Jx\\u000d\\u000a\\u009b1m\n\\u0007\n", out.String()); d != "" {
		t.Error(d)
	}
}

// modules reads a picture of half blocks back: true is dark. A light module is drawn
// in the colour of the text, for a dark ground.
func modules(picture string) [][]bool {
	var rows [][]bool
	for line := range strings.Lines(picture) {
		var upper, lower []bool
		for _, r := range strings.TrimSuffix(line, "\n") {
			upper = append(upper, r == ' ' || r == '▄')
			lower = append(lower, r == ' ' || r == '▀')
		}
		rows = append(rows, upper, lower)
	}
	return rows
}

func TestQRCode_PictureIsThatOfItsText(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.StringN(1, 512, 1024).Draw(t, "text")
		code, err := qr.Encode(text, qr.L)
		if err != nil {
			t.Fatal(err)
		}
		var out strings.Builder
		if err := DrawQR(&out, text); err != nil {
			t.Fatal(err)
		}
		drawn := modules(out.String())
		for y, row := range drawn[:code.Size+2*quietZone] {
			if len(row) != code.Size+2*quietZone {
				t.Fatalf("row %d has %d modules, want %d", y, len(row), code.Size+2*quietZone)
			}
			for x, dark := range row {
				if want := code.Black(x-quietZone, y-quietZone); dark != want {
					t.Fatalf("module %d,%d is dark: %t, want %t", x, y, dark, want)
				}
			}
		}
	})
}

func TestQRCode_TooLongTextIsAnError(t *testing.T) {
	var out strings.Builder
	if err := DrawQR(&out, strings.Repeat("x", 3000)); !errors.Is(err, ErrTooLong) || out.Len() > 0 {
		t.Errorf("%v, and %d bytes drawn", err, out.Len())
	}
}

type broken struct{}

func (broken) Write([]byte) (int, error) { return 0, io.ErrClosedPipe }

func TestConsole_ErrorsOfTheOutputAreReturned(t *testing.T) {
	table := NewTable("a")
	for what, err := range map[string]error{
		"Table.Write": table.Write(broken{}),
		"DrawQR":      DrawQR(broken{}, "x"),
	} {
		if !errors.Is(err, io.ErrClosedPipe) {
			t.Errorf("%s: %v", what, err)
		}
	}
}

func TestQRCode_ColoursAreSetLineByLine(t *testing.T) {
	if d := cmp.Diff("\x1b[97;40m█\x1b[0m\n\x1b[97;40m▀\x1b[0m\n", string(coloured([]byte("█\n▀\n")))); d != "" {
		t.Error(d)
	}
}

func TestTerminal_FilesAndBuffersAreNone(t *testing.T) {
	f, err := os.Create(t.TempDir() + "/f")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if IsTerminal(f) || IsTerminal(&bytes.Buffer{}) {
		t.Error("a file or a buffer counts as a terminal")
	}
}

func TestProgress_IsNotShownInAFile(t *testing.T) {
	var out strings.Builder
	p := NewProgress(&out, 100, "orders")
	p.Show(50, 1)
	if _, err := io.WriteString(p, "a note\n"); err != nil {
		t.Fatal(err)
	}
	p.Close()
	if out.String() != "a note\n" {
		t.Errorf("got %q", out.String())
	}
}

func TestProgress_ShowsCountRateAndTimeLeftWithin80Columns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var out strings.Builder
		p := &Progress{w: &out, bar: newBar(&out, 1000), unit: "orders", began: time.Now()}
		p.Show(0, 0)
		for range 5 { // a tenth of the file, and 20,000 orders, a second
			time.Sleep(time.Second)
			done := int64(time.Since(p.began) / (10 * time.Millisecond))
			p.Show(done, int(200*done))
		}
		drawn := strings.Split(out.String(), "\r")
		last := regexp.MustCompile("\x1b\\[[0-9]*[A-Za-z]").ReplaceAllString(drawn[len(drawn)-1], "")
		for _, want := range []string{"100000 orders, 20000/s", " 50% ", "[5s:5s]"} {
			if !strings.Contains(last, want) {
				t.Errorf("%q does not show %q", last, want)
			}
		}
		if n := utf8.RuneCountInString(last); n > 80 {
			t.Errorf("%d columns: %q", n, last)
		}
	})
}

func TestProgress_LeavesOnlyTheNotes(t *testing.T) {
	for _, size := range []int64{100, 0} { // known, not known
		var out strings.Builder
		p := &Progress{w: &out, bar: newBar(&out, size), unit: "orders"}
		p.Show(50, 7)
		if _, err := io.WriteString(p, "a note\n"); err != nil {
			t.Fatal(err)
		}
		p.Show(60, 8)
		p.Close()
		if !strings.Contains(out.String(), "a note\n") {
			t.Errorf("size %d: the note is not there: %q", size, out.String())
		}
		// What is on the line since the note was cleared again.
		if rest := out.String(); !strings.HasSuffix(strings.TrimRight(rest, "\r"), "\x1b[2K") && !strings.HasSuffix(rest, "a note\n") {
			t.Errorf("size %d: the bar is still there: %q", size, rest)
		}
	}
}
