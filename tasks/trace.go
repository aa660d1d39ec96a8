package tasks

import "strings"

// traceparentName is the name of the field in the journal, in a request, in the headers of a
// task and in a result. It is the name of the HTTP header in W3C Trace Context.
const traceparentName = "traceparent"

// traceparentSize counts the version 00, a trace-id of 32 digits, a parent-id of 16, flags of
// 2, and the hyphens between them.
const traceparentSize = 2 + 1 + 32 + 1 + 16 + 1 + 2

// validTraceparent reports whether a text is a traceparent of W3C Trace Context, level 1:
// version 00, lower-case hexadecimal digits, and no id of only zeros.
func validTraceparent(s string) bool {
	if len(s) != traceparentSize || s[:3] != "00-" || s[35] != '-' || s[52] != '-' {
		return false
	}
	trace, parent, flags := s[3:35], s[36:52], s[53:]
	return strings.Trim(trace+parent+flags, "0123456789abcdef") == "" &&
		strings.Trim(trace, "0") != "" && strings.Trim(parent, "0") != ""
}

// cutTraceparent separates the traceparent from the fields of a request; the rest is the
// order. A traceparent that appears twice counts as absent.
func cutTraceparent(fields []string) (rest []string, traceparent string) {
	found := 0
	for i := 0; i+1 < len(fields); i += 2 {
		if fields[i] == traceparentName {
			found++
		}
	}
	if found == 0 {
		return fields, ""
	}
	rest = make([]string, 0, len(fields))
	for i := 0; i+1 < len(fields); i += 2 {
		if fields[i] != traceparentName {
			rest = append(rest, fields[i], fields[i+1])
		} else if found == 1 {
			traceparent = fields[i+1]
		}
	}
	return rest, traceparent
}
