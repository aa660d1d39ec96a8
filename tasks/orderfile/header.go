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

// columnsOf returns the names of fields for the cells of a header row. Case, and whether words are
// joined by an underscore, a hyphen, a point, a space or not at all, do not matter. Other names stay.
func columnsOf(cells []string) []string {
	columns := make([]string, len(cells))
	for i, cell := range cells {
		cell = strings.Trim(cell, padding+"\r\n")
		columns[i] = cell
		for _, name := range append(tasks.Fields(), RejectReason) {
			if folded(cell) == folded(name) {
				columns[i] = name
			}
		}
	}
	return columns
}

// folded removes what does not matter in a name.
func folded(name string) string {
	return strings.ToLower(strings.NewReplacer("_", "", "-", "", ".", "", " ", "", "\u00A0", "").Replace(name))
}

// checkHeader checks the columns of a file.
func checkHeader(columns []string) error {
	var e HeaderError
	known := tasks.Fields()
	for i, c := range columns {
		switch {
		case c == "": // it must be empty in every row
		case c != RejectReason && !slices.Contains(known, c):
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
	if len(e.Missing) == len(tasks.RequiredFields()) && len(e.Unknown) > 0 {
		e.Reason = fmt.Sprintf("the first line must be a header row with the names of the columns, %s and others; it has %s",
			strings.Join(tasks.RequiredFields(), ", "), quoted(e.Unknown))
	}
	if e.Unknown == nil && e.Repeated == nil && e.Missing == nil {
		return nil
	}
	return &e
}
