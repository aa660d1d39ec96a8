package orderfile

import (
	"fmt"
	"slices"
	"strings"

	"github.com/qfpay-worker/qfpay-worker/tasks"
)

// HeaderError means that a whole file cannot be read as orders, because of its header row
// or because it has another format.
type HeaderError struct {
	Reason   string   // set if the error is not about columns
	Unknown  []string // columns that are not fields of an order
	Missing  []string // required columns that are missing
	Repeated []string // columns that appear twice
}

// Error implements error.
func (e *HeaderError) Error() string {
	if e.Reason != "" {
		return e.Reason
	}
	var parts []string
	for _, p := range []struct {
		problem string
		columns []string
	}{
		{"unknown columns", e.Unknown}, {"missing columns", e.Missing}, {"repeated columns", e.Repeated},
	} {
		if len(p.columns) > 0 {
			parts = append(parts, fmt.Sprintf("%s: %s", p.problem, quoted(p.columns)))
		}
	}
	if len(e.Unknown) > 0 {
		parts = append(parts, "the columns are "+strings.Join(tasks.Fields(), ", "))
	}
	if len(e.Unknown) == 1 && strings.ContainsAny(e.Unknown[0], ";\t") {
		parts = append(parts, "columns are separated by commas")
	}
	return "header row: " + strings.Join(parts, "; ")
}

// quoted lists at most 20 names.
func quoted(names []string) string {
	const most = 20
	var b strings.Builder
	for i, name := range names {
		if i == most {
			fmt.Fprintf(&b, " and %d more", len(names)-most)
			break
		}
		if i > 0 {
			b.WriteString(", ")
		}
		fmt.Fprintf(&b, "%q", shorten(name))
	}
	return b.String()
}

// shorten makes a name fit for an error message: valid UTF-8, and short.
func shorten(name string) string {
	const most = 48
	runes := []rune(strings.ToValidUTF8(name, "\uFFFD"))
	if len(runes) <= most {
		return string(runes)
	}
	return string(runes[:most]) + "…"
}

// checkHeader checks the columns of a file.
func checkHeader(columns []string) error {
	var e HeaderError
	known := tasks.Fields()
	for i, c := range columns {
		switch {
		case !slices.Contains(known, c):
			e.Unknown = append(e.Unknown, c)
		case slices.Contains(columns[:i], c):
			e.Repeated = append(e.Repeated, c)
		}
	}
	for _, c := range tasks.RequiredFields() {
		if !slices.Contains(columns, c) {
			e.Missing = append(e.Missing, c)
		}
	}
	if e.Unknown == nil && e.Repeated == nil && e.Missing == nil {
		return nil
	}
	return &e
}
