package qfpay

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
)

// jsonObject is a JSON object from the gateway.
type jsonObject struct {
	top  map[string]json.RawMessage
	data map[string]json.RawMessage // the wrapper in QFPay's general page; no MPM sample has it
	err  error                      // of the first member that decides and has a wrong type
}

// unquoted finds numbers with leading zeros, which are not JSON: QFPay's page of the query prints
// respcd 0000 without quotes.
var unquoted = regexp.MustCompile(`("(?:respcd|txamt)"\s*:\s*)(0[0-9]+)`)

var byteOrderMark = []byte("\xef\xbb\xbf")

// parseObject reads a JSON object. Names are case-sensitive, unknown names are ignored, and
// if a name is repeated, the last one counts.
func parseObject(body []byte) (jsonObject, error) {
	var m jsonObject
	body = bytes.TrimPrefix(body, byteOrderMark)
	if err := json.Unmarshal(body, &m.top); err != nil {
		if json.Unmarshal(unquoted.ReplaceAll(body, []byte(`$1"$2"`)), &m.top) != nil {
			return m, fmt.Errorf("the answer is not a JSON object: %w", err)
		}
	}
	if m.top == nil {
		return m, errors.New("the answer is null")
	}
	if raw := m.top["data"]; len(raw) > 0 && raw[0] == '{' {
		if err := json.Unmarshal(raw, &m.data); err != nil {
			return m, fmt.Errorf("data: %w", err)
		}
	}
	return m, nil
}

// value returns a member that decides something, from the top level or else from data. QFPay
// sends the same field sometimes as a string and sometimes as a number, so both are accepted.
// null and a missing member are empty. Anything else sets err.
func (m *jsonObject) value(name string) string {
	for _, object := range []map[string]json.RawMessage{m.top, m.data} {
		text, ok := scalar(object[name])
		if !ok && m.err == nil {
			m.err = fmt.Errorf("%s is neither text nor a number", name)
		}
		if text != "" {
			return text
		}
	}
	return ""
}

// text returns a member that decides nothing, whatever its type: false and empty objects and
// lists are empty, and others are their JSON. A QR code is not lost over such a member.
func (m *jsonObject) text(name string) string {
	for _, object := range []map[string]json.RawMessage{m.top, m.data} {
		raw := object[name]
		text, ok := scalar(raw)
		if !ok && string(raw) != "false" && len(bytes.Trim(raw, "[]{} \t\r\n")) > 0 {
			text = string(raw)
		}
		if text != "" {
			return text
		}
	}
	return ""
}

// scalar returns a JSON string or number as text, and "" for null or a missing value.
func scalar(raw json.RawMessage) (text string, ok bool) {
	switch {
	case len(raw) == 0 || string(raw) == "null":
		return "", true
	case raw[0] == '"':
		err := json.Unmarshal(raw, &text)
		return text, err == nil
	case raw[0] == '-' || raw[0] >= '0' && raw[0] <= '9':
		return string(raw), true
	}
	return "", false
}
