package orderfile

import (
	"bytes"
	"encoding/json"
	"strings"
)

// RejectReason is the name of the column, or of the key, that a file of rejects has in front:
// why the row was rejected. It is not a field of an order. Files may have it, so that mended rows
// can be enqueued as they are.
const RejectReason = "reject_reason"

// RejectHead returns what a file of rejects begins with: the lines before the first row as they
// are in this file, with the column for the reason. It is empty for JSON, and before the first
// call of Next.
func (r *Rows) RejectHead() []byte {
	if r.csv.head == nil || r.csv.index(RejectReason) >= 0 {
		return r.csv.head
	}
	var head []byte
	head = append(head, r.csv.head[:r.csv.headerAt]...)
	head = append(head, RejectReason...)
	head = append(head, byte(r.csv.comma))
	return append(head, r.csv.head[r.csv.headerAt:]...)
}

// Rejected returns a row for a file of rejects: its bytes as they are, with the reason in front.
func (r *Rows) Rejected(row Row, reason string) []byte {
	if r.csv.head == nil {
		return append(rejectedJSON(row.Raw, reason), '\n')
	}
	reason = `"` + strings.ReplaceAll(reason, `"`, `""`) + `"`
	rest := row.Raw
	switch r.csv.index(RejectReason) {
	case -1:
	case 0:
		rest = r.csv.withoutFirst(rest)
	default: // somebody moved the column: the reason in it is an old one
		return append([]byte(rest), '\n')
	}
	out := append(r.encoding.encode(reason), byte(r.csv.comma))
	return append(append(out, rest...), '\n')
}

// rejectedJSON puts the reason into an object as its first member. Text that is no object is
// left as it is.
func rejectedJSON(raw, reason string) []byte {
	object := strings.TrimLeft(raw, jsonSpace)
	if !strings.HasPrefix(object, "{") {
		return []byte(raw)
	}
	rest, _ := withoutReason([]byte(object))
	var out bytes.Buffer
	e := json.NewEncoder(&out)
	e.SetEscapeHTML(false)
	e.Encode(map[string]string{RejectReason: reason}) // text always encodes
	out.Truncate(out.Len() - len("}\n"))
	if !bytes.HasPrefix(bytes.TrimLeft(rest[1:], jsonSpace), []byte{'}'}) {
		out.WriteByte(',')
	}
	out.Write(rest[1:])
	return out.Bytes()
}

// withoutReason returns an object without the reason in front, if it has one.
func withoutReason(object []byte) ([]byte, bool) {
	const start = `{"` + RejectReason + `":"`
	if !bytes.HasPrefix(object, []byte(start)) {
		return object, false
	}
	for i := len(start); i < len(object); i++ {
		switch object[i] {
		case '\\':
			i++
		case '"':
			rest := bytes.TrimLeft(object[i+1:], jsonSpace)
			return append([]byte{'{'}, bytes.TrimPrefix(rest, []byte{','})...), true
		}
	}
	return object, false
}

// withoutFirst returns a row without its first cell. A row that has no second cell stays.
func (c *csvReader) withoutFirst(raw string) string {
	from := 0
	if strings.HasPrefix(raw, `"`) {
		for from = 1; from < len(raw); from++ {
			if raw[from] == '"' {
				if from+1 == len(raw) || raw[from+1] != '"' {
					break
				}
				from++
			}
		}
	}
	if i := strings.IndexByte(raw[min(from, len(raw)):], byte(c.comma)); i >= 0 {
		return raw[from+i+1:]
	}
	return raw
}
