package qfpay

import (
	"encoding/json"
	"errors"
	"fmt"
)

// members are the members of a JSON object of the gateway.
type members struct {
	top  map[string]json.RawMessage
	data map[string]json.RawMessage // the wrapper of QFPay's general page; no MPM sample has it
	err  error                      // the first member that was not what it must be
}

// parseMembers reads a JSON object. Names are matched as written, unknown ones are
// ignored, and of a repeated one the last counts.
func parseMembers(body []byte) (members, error) {
	var m members
	if err := json.Unmarshal(body, &m.top); err != nil {
		return m, fmt.Errorf("the answer is not a JSON object: %w", err)
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

// text returns a member as text: from the top level, else from data. QFPay writes
// the same field now as a string and now as a number, so either is taken; null and
// a missing one are empty. Anything else is an error, kept in err.
func (m *members) text(name string) string {
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

// scalar reads a JSON string or number as text, and null or nothing as "".
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
