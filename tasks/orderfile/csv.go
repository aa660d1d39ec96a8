package orderfile

import (
	"bufio"
	"bytes"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strings"

	"github.com/qfpay-worker/qfpay-worker/tasks"
)

// separators are what columns may be separated by.
const separators = ",;\t|"

// csvReader parses rows of CSV.
type csvReader struct {
	comma   rune     // of separators; 0 in a file that is not CSV
	columns []string // names of fields, "" for a column without a name
	text    bytes.Reader
	buf     *bufio.Reader // reused for each row

	mark     bool   // the file has a byte order mark, or was UTF-16
	head     []byte // the lines before the first row; header row from headerAt
	headerAt int
}

// index returns the position of a column, or -1.
func (c *csvReader) index(column string) int { return slices.Index(c.columns, column) }

// parse reads text, which begins at that line of the file, as one row of CSV.
func (c *csvReader) parse(text []byte, line int) ([]string, error) {
	c.text.Reset(text)
	if c.buf == nil {
		c.buf = bufio.NewReader(nil)
	}
	c.buf.Reset(&c.text)
	parser := csv.NewReader(c.buf)
	parser.Comma = c.comma
	parser.FieldsPerRecord = -1
	cells, err := parser.Read()
	if e, ok := errors.AsType[*csv.ParseError](err); ok {
		return nil, fmt.Errorf("not CSV at line %d, byte %d: %w", line+e.Line-1, e.Column, e.Err)
	}
	return cells, err
}

// blank reports whether a line has nothing in it but separators and empty cells.
func (c *csvReader) blank(line []byte) bool {
	const space = padding + "\r\n"
	rest := bytes.Trim(line, space)
	if len(rest) == 0 || c.comma == 0 || rest[0] != byte(c.comma) && rest[0] != '"' {
		return len(rest) == 0
	}
	rest = bytes.ReplaceAll(rest, []byte(`""`), nil)
	return len(bytes.Trim(rest, space+string(c.comma))) == 0
}

// separatorLine is a first line that tells Excel what the columns are separated by.
var separatorLine = regexp.MustCompile(`^(?i:"?sep=(.)"?)[,;\t|]*\s*$`)

// readHeader reads the header row, and the line with the separator before it.
func (r *Rows) readHeader() error {
	if r.csv.mark {
		r.csv.head = bytes.Clone(byteOrderMark)
	}
	possible := separators
	text, err := r.headLine()
	if err != nil {
		return err
	}
	if given := separatorLine.FindSubmatch(text); given != nil {
		if possible = string(given[1]); !strings.Contains(separators, possible) {
			return &HeaderError{Reason: fmt.Sprintf("the first line says that columns are separated by %q; use a comma, semicolon, tab or bar", possible)}
		}
		r.keepHead(len(text))
		if text, err = r.headLine(); err != nil {
			return err
		}
	}
	columns, err := r.bestColumns(text, possible)
	if err != nil {
		return err
	}
	if err := checkHeader(columns); err != nil {
		return err
	}
	r.csv.columns = columns
	r.csv.headerAt = len(r.csv.head)
	r.keepHead(len(text))
	return nil
}

// headLine returns the next line of the head, as bytes of the file.
func (r *Rows) headLine() ([]byte, error) {
	for {
		n, err := r.nextLine()
		if errors.Is(err, errTooLong) {
			return nil, &HeaderError{Reason: fmt.Sprintf("the first line has more than %d bytes, so it is not a header row", tasks.MaxOrderBytes)}
		}
		if text := r.lines.ahead(n); err != nil || len(bytes.Trim(text, separators+"\" \r\n")) > 0 {
			return text, err
		}
		r.lines.pass(n) // a row of empty cells
	}
}

// keepHead consumes a line of the head, and keeps it for a file of rejects.
func (r *Rows) keepHead(n int) {
	line := bytes.TrimRight(r.lines.ahead(n), "\r\n")
	r.csv.head = append(append(r.csv.head, line...), '\n')
	r.lines.pass(n)
}

// bestColumns parses the header row with the separator that gives most fields of an order.
func (r *Rows) bestColumns(header []byte, possible string) ([]string, error) {
	if what := foreignText(header); what != "" {
		return nil, &HeaderError{Reason: what}
	}
	text, err := r.encoding.decode(bytes.TrimRight(header, "\r\n"))
	if err != nil {
		return nil, &HeaderError{Reason: fmt.Sprintf("the header row %v (it looks like %s), and its columns must be named %s",
			err, guess(header), strings.Join(tasks.Fields(), ", "))}
	}
	var best []string
	var broken error
	most, comma := -1, rune(0)
	for _, c := range possible {
		r.csv.comma = c
		cells, err := r.csv.parse(text, r.lines.number)
		if err != nil {
			broken = err
			continue
		}
		columns := columnsOf(cells)
		fields := 0
		for _, name := range columns {
			if slices.Contains(tasks.Fields(), name) {
				fields++
			}
		}
		if fields > most {
			most, comma, best = fields, c, columns
		}
	}
	r.csv.comma = comma
	if best == nil {
		return nil, &HeaderError{Reason: fmt.Sprintf("the header row is %v", broken)}
	}
	return best, nil
}

// nextCSV reads a row of CSV. Where files were put together, the header row comes again: it is skipped.
func (r *Rows) nextCSV() (Row, error) {
	for {
		row, cells, err := r.rowOfCSV()
		if err != nil || row.Err == nil || !slices.Equal(columnsOf(cells), r.csv.columns) {
			return row, err
		}
	}
}

// rowOfCSV reads a row with its cells. A row with quotes may span several lines. If such a row is
// broken, or its quote is not closed within reach, only its first line is the bad row and
// reading continues with the second: one forgotten quote must not hide the orders after it.
func (r *Rows) rowOfCSV() (row Row, cells []string, err error) {
	first, err := r.nextLine()
	if errors.Is(err, errTooLong) {
		return r.tooLong(), nil, nil
	} else if err != nil {
		return Row{}, nil, err
	}
	row.Line = r.lines.number
	end, err := r.endOfRow(first)
	switch {
	case err == nil:
		cells, row.Err = r.cells(end)
	case errors.Is(err, io.EOF) || errors.Is(err, errTooLong):
		row.Err = r.unclosed(first)
	default:
		return Row{}, nil, err
	}
	if row.Err != nil {
		end = first
	}
	row.Raw = strings.TrimRight(string(r.lines.ahead(end)), "\r\n")
	r.lines.pass(end)
	if row.Err == nil {
		row.Order, row.Err = r.csv.order(cells)
	}
	return row, cells, nil
}

// cells returns the cells of the row in the next n bytes.
func (r *Rows) cells(n int) ([]string, error) {
	text, err := r.decode(bytes.TrimRight(r.lines.ahead(n), "\r\n"))
	if err != nil {
		return nil, err
	}
	return r.csv.parse(text, r.lines.number)
}

// unclosed returns the error of a line that opens a quote which is never closed.
func (r *Rows) unclosed(line int) error {
	_, err := r.cells(line)
	if _, misread := errors.AsType[*EncodingError](err); misread || errors.Is(err, csv.ErrBareQuote) {
		return err
	}
	return fmt.Errorf("a quote is not closed within %d bytes, nor before the end of the file", tasks.MaxOrderBytes)
}

// endOfRow finds the end of the row whose first line ends at end. In CSV a quote inside
// quotes is written twice, so the number of quotes is even wherever none is open.
func (r *Rows) endOfRow(end int) (int, error) {
	open := false
	for from := 0; ; {
		if bytes.Count(r.lines.ahead(end)[from:], []byte{'"'})%2 == 1 {
			open = !open
		}
		if !open {
			return end, nil
		}
		next, err := r.lines.end(end)
		if err != nil {
			return 0, err
		}
		from, end = end, next
	}
}

// endOfText ends a file of DOS.
const endOfText = '\x1A'

// padding is what spreadsheets and databases put around a value, and what no value begins or
// ends with: spaces of all widths, NULs, and marks of the end of a page or a text.
const padding = " \t\u00A0\u3000\u200B\uFEFF\x00\f\x1A"

// order reads an order from the cells of a row.
func (c *csvReader) order(cells []string) (tasks.Order, error) {
	for i := range cells {
		cells[i] = strings.Trim(cells[i], padding)
	}
	if len(cells) > len(c.columns) && c.onlyEmpty(cells) {
		cells = cells[:len(c.columns)]
	}
	if len(cells) != len(c.columns) {
		return tasks.Order{}, fmt.Errorf("the row has %d columns, the header has %d", len(cells), len(c.columns))
	}
	fields := make(map[string]string, len(cells))
	for i, cell := range cells {
		switch name := c.columns[i]; {
		case name == "" && cell != "":
			return tasks.Order{}, fmt.Errorf("column %d has no name in the header row, and %q in this one", i+1, shorten(cell))
		case name != "" && name != RejectReason:
			fields[name] = cell
		}
	}
	return tasks.FromFields(fields)
}

// cutAmount matches what stands behind the separator when an amount such as 1,250 or 12,50 is cut
// in two by it.
var cutAmount = regexp.MustCompile(`^\d{1,3}(\.\d*)?$`)

// onlyEmpty reports whether the cells beyond the header are empty, and so can be left out. An
// amount that was cut in two would look like that: the cells behind it are moved, and the last
// one, empty, is too many.
func (c *csvReader) onlyEmpty(cells []string) bool {
	for _, extra := range cells[len(c.columns):] {
		if extra != "" {
			return false
		}
	}
	return !cutAmount.MatchString(cells[c.index("txamt")+1])
}
