package orderfile

import (
	"bufio"
	"bytes"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/qfpay-worker/qfpay-worker/tasks"
)

// csvReader parses rows of CSV.
type csvReader struct {
	columns []string
	text    bytes.Reader
	buf     *bufio.Reader // reused for each row
}

// parse reads text, which begins at that line of the file, as one row of CSV.
func (c *csvReader) parse(text []byte, line int) ([]string, error) {
	c.text.Reset(text)
	if c.buf == nil {
		c.buf = bufio.NewReader(nil)
	}
	c.buf.Reset(&c.text)
	parser := csv.NewReader(c.buf)
	parser.FieldsPerRecord = -1
	cells, err := parser.Read()
	if e, ok := errors.AsType[*csv.ParseError](err); ok {
		return nil, fmt.Errorf("not CSV at line %d, byte %d: %w", line+e.Line-1, e.Column, e.Err)
	}
	return cells, err
}

// readHeader reads the header row.
func (r *Rows) readHeader() error {
	n, err := r.lines.end(0)
	if errors.Is(err, errTooLong) {
		return &HeaderError{Reason: fmt.Sprintf("the first line has more than %d bytes, so it is not a header row", tasks.MaxOrderBytes)}
	} else if err != nil {
		return err
	}
	columns, err := r.csv.parse(r.lines.ahead(n), r.lines.number)
	if err != nil {
		return &HeaderError{Reason: fmt.Sprintf("the header row is %v", err)}
	}
	if err := checkHeader(columns); err != nil {
		return err
	}
	r.csv.columns = columns
	r.lines.pass(n)
	return nil
}

// nextCSV reads a row of CSV. A row with quotes may span several lines. If such a row is
// broken, or its quote is not closed within reach, only its first line is the bad row and
// reading continues with the second: one forgotten quote must not hide the orders after it.
func (r *Rows) nextCSV() (Row, error) {
	first, err := r.nextLine()
	if errors.Is(err, errTooLong) {
		return r.tooLong(), nil
	} else if err != nil {
		return Row{}, err
	}
	row := Row{Line: r.lines.number}
	end, err := r.endOfRow(first)
	var cells []string
	switch {
	case err == nil:
		cells, row.Err = r.csv.parse(r.lines.ahead(end), row.Line)
	case errors.Is(err, io.EOF) || errors.Is(err, errTooLong):
		row.Err = r.unclosed(first)
	default:
		return Row{}, err
	}
	if row.Err != nil {
		end = first
	}
	row.Raw = strings.TrimRight(string(r.lines.ahead(end)), "\r\n")
	r.lines.pass(end)
	if row.Err == nil {
		row.Order, row.Err = r.csv.order(cells)
	}
	return row, nil
}

// unclosed returns the error of a line that opens a quote which is never closed.
func (r *Rows) unclosed(line int) error {
	if _, err := r.csv.parse(r.lines.ahead(line), r.lines.number); errors.Is(err, csv.ErrBareQuote) {
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

// order reads an order from the cells of a row.
func (c *csvReader) order(cells []string) (tasks.Order, error) {
	if len(cells) != len(c.columns) {
		return tasks.Order{}, fmt.Errorf("the row has %d columns, the header has %d", len(cells), len(c.columns))
	}
	fields := make(map[string]string, len(cells))
	for i, cell := range cells {
		fields[c.columns[i]] = cell
	}
	return tasks.FromFields(fields)
}
