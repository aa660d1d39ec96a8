package orderfile

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"strings"
)

// ExtendedHead returns what a file begins with that has the rows of this one with further columns
// behind them: its header row. It is UTF-8, and has a byte order mark if this file has one, or is in
// another encoding: without it a spreadsheet would read the file in that encoding again. It is empty
// for JSON, and before the first call of Next.
func (r *Rows) ExtendedHead(columns []string) []byte {
	if r.csv.head == nil {
		return nil
	}
	before := bytes.TrimPrefix(r.csv.head[:r.csv.headerAt], byteOrderMark) // a line sep=; or nothing
	var head []byte
	if r.csv.mark || r.encoding.tables() != nil {
		head = append(head, byteOrderMark...)
	}
	head = append(head, before...)
	return append(head, r.csv.line(r.readable(string(r.csv.head[r.csv.headerAt:])), columns)...)
}

// Extended returns a row with further values behind it, in UTF-8, as a line of CSV or of NDJSON. Of
// a row that is not an order it has what can be read: the cells for which there are columns, or
// nothing of a text that is not a JSON object.
//
// In CSV, a further value that a spreadsheet would take as a formula gets an apostrophe in front. The
// cells of the row stay as they were read.
func (r *Rows) Extended(row Row, columns, values []string) []byte {
	if r.csv.head == nil {
		return extendedJSON(r.readable(row.Raw), columns, values)
	}
	inert := make([]string, len(values))
	for i, v := range values {
		if inert[i] = v; v != "" && strings.ContainsRune("=+-@\t\r", rune(v[0])) {
			inert[i] = "'" + v
		}
	}
	return r.csv.line(r.readable(row.Raw), inert)
}

// readable returns the text of bytes of the file, as far as they are text.
func (r *Rows) readable(raw string) string {
	text, err := r.encoding.decode([]byte(raw))
	if err != nil {
		return strings.ToValidUTF8(raw, "\uFFFD")
	}
	return string(text)
}

// line returns the cells of a row, as many as there are columns, and those behind it.
func (c *csvReader) line(row string, behind []string) []byte {
	reader := csv.NewReader(strings.NewReader(row))
	reader.Comma, reader.FieldsPerRecord = c.comma, -1
	reader.LazyQuotes = true  // what can be read of a broken row
	found, _ := reader.Read() // its error is in the reason why the row was refused
	cells := make([]string, len(c.columns), len(c.columns)+len(behind))
	for i := range min(len(cells), len(found)) {
		cells[i] = strings.Trim(found[i], padding+"\r\n")
	}
	var out bytes.Buffer
	writer := csv.NewWriter(&out)
	writer.Comma = c.comma
	writer.Write(append(cells, behind...)) // it fails only if the buffer or the separator does
	writer.Flush()
	return out.Bytes()
}

// extendedJSON returns an object with further members, on one line.
func extendedJSON(text string, names, values []string) []byte {
	var out bytes.Buffer
	if err := json.Compact(&out, []byte(text)); err != nil || out.Bytes()[0] != '{' {
		out.Reset()
		out.WriteString("{}")
	}
	out.Truncate(out.Len() - len("}"))
	member := json.NewEncoder(&out)
	member.SetEscapeHTML(false) // the text of a QR code contains &
	for i, name := range names {
		if out.Len() > len("{") {
			out.WriteByte(',')
		}
		out.WriteString(`"` + name + `":`)
		member.Encode(values[i]) // text always encodes
		out.Truncate(out.Len() - len("\n"))
	}
	out.WriteString("}\n")
	return out.Bytes()
}
