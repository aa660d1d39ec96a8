package tasks

import (
	"fmt"
	"slices"
	"strings"
)

// HeaderError says that a file as a whole cannot be read as orders: by its header
// row, or because it is another kind of file.
type HeaderError struct {
	Reason   string   // when it is not about columns
	Unknown  []string // columns that no order has
	Missing  []string // columns that every order needs
	Repeated []string // columns that are there twice
}

// Error implements error.
func (e *HeaderError) Error() string {
	if e.Reason != "" {
		return e.Reason
	}
	var parts []string
	for _, p := range []struct {
		what    string
		columns []string
	}{
		{"unknown columns", e.Unknown}, {"missing columns", e.Missing}, {"repeated columns", e.Repeated},
	} {
		if len(p.columns) > 0 {
			parts = append(parts, fmt.Sprintf("%s: %s", p.what, quoted(p.columns)))
		}
	}
	if len(e.Unknown) > 0 {
		parts = append(parts, "the columns are "+strings.Join(Fields(), ", "))
	}
	if len(e.Unknown) == 1 && strings.ContainsAny(e.Unknown[0], ";\t") {
		parts = append(parts, "columns are separated by commas")
	}
	return "header row: " + strings.Join(parts, "; ")
}

// quoted lists names, a few of them.
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

// checkHeader checks the columns of a file.
func checkHeader(columns []string) error {
	var e HeaderError
	for i, c := range columns {
		switch {
		case fieldNamed(c) == nil:
			e.Unknown = append(e.Unknown, c)
		case slices.Contains(columns[:i], c):
			e.Repeated = append(e.Repeated, c)
		}
	}
	for _, c := range RequiredFields() {
		if !slices.Contains(columns, c) {
			e.Missing = append(e.Missing, c)
		}
	}
	if e.Unknown == nil && e.Repeated == nil && e.Missing == nil {
		return nil
	}
	return &e
}
