package console

import (
	"bytes"
	"io"
	"strings"

	"github.com/rivo/uniseg"

	"github.com/qfpay-worker/qfpay-worker/internal/printable"
)

// Table is a table of text with aligned columns. Widths are those on the screen, where a Chinese
// character takes two columns.
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

// Add adds a row, which may be shorter than the head, but not longer. Cells are
// shown as [printable.String], because the data are not ours.
func (t *Table) Add(cells ...string) {
	row := make([]string, len(cells))
	for i, cell := range cells {
		row[i] = printable.String(cell)
		t.widths[i] = max(t.widths[i], uniseg.StringWidth(row[i]))
	}
	t.rows = append(t.rows, row)
}

// Note adds a line below the last row, outside the columns, cut to a width; 0 is no bound.
func (t *Table) Note(text string, width int) {
	t.rows = append(t.rows, []string{cut(printable.String(text), width)})
}

// cut shortens a text to a width on the screen.
func cut(s string, width int) string {
	if width == 0 || uniseg.StringWidth(s) <= width {
		return s
	}
	var out strings.Builder
	used := 1 // for the ellipsis
	for g := uniseg.NewGraphemes(s); g.Next() && used+g.Width() <= width; {
		used += g.Width()
		out.WriteString(g.Str())
	}
	return out.String() + "…"
}

// Fix sets the minimum widths of the columns, so that tables that are written one after the
// other are aligned.
func (t *Table) Fix(widths ...int) {
	for i, w := range widths {
		t.widths[i] = max(t.widths[i], w)
	}
}

// Write writes the rows that were added since the last Write, in one write. It keeps the widths.
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
