package console

import (
	"bytes"
	"io"
	"strings"

	"github.com/rivo/uniseg"
)

// Table is a table of text whose columns line up. Widths are those of the screen,
// on which a Chinese character takes two columns.
type Table struct {
	widths []int // of the widest cell so far
	rows   [][]string
}

// NewTable returns a table with a head.
func NewTable(head ...string) *Table {
	t := &Table{widths: make([]int, len(head))}
	t.Add(head...)
	return t
}

// Add adds a row. A row may be shorter than the head, not longer. Control
// characters in cells are shown as "?", since they come from other people's data
// and a terminal obeys them.
func (t *Table) Add(cells ...string) {
	row := make([]string, len(cells))
	for i, cell := range cells {
		row[i] = Clean(cell)
		t.widths[i] = max(t.widths[i], uniseg.StringWidth(row[i]))
	}
	t.rows = append(t.rows, row)
}

// Note adds a line below the last row, outside the columns, cut to a width.
func (t *Table) Note(text string, width int) {
	t.rows = append(t.rows, []string{cut(Clean(text), width)})
}

// cut shortens a text to a width on the screen.
func cut(s string, width int) string {
	if uniseg.StringWidth(s) <= width {
		return s
	}
	var out strings.Builder
	taken := 1 // for the ellipsis
	for g := uniseg.NewGraphemes(s); g.Next() && taken+g.Width() <= width; {
		taken += g.Width()
		out.WriteString(g.Str())
	}
	return out.String() + "…"
}

// Fix sets the least widths of the columns, so that tables written one after the
// other, as a stream comes in, line up.
func (t *Table) Fix(widths ...int) {
	for i, w := range widths {
		t.widths[i] = max(t.widths[i], w)
	}
}

// Write writes the rows added since the last Write, in one piece. Widths stay.
func (t *Table) Write(w io.Writer) error {
	var out bytes.Buffer
	for _, row := range t.rows {
		var line strings.Builder
		for i, cell := range row {
			line.WriteString(cell)
			line.WriteString(strings.Repeat(" ", max(0, t.widths[i]-uniseg.StringWidth(cell))+2))
		}
		out.WriteString(strings.TrimRight(line.String(), " "))
		out.WriteByte('\n')
	}
	t.rows = nil
	_, err := w.Write(out.Bytes())
	return err
}

// Clean replaces what a terminal would obey rather than show.
func Clean(s string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f || r >= 0x80 && r < 0xa0 {
			return '?'
		}
		return r
	}, s)
}
