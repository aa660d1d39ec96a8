package main

import (
	"fmt"
	"io"
	"strings"
	"unicode/utf8"
)

// verdict says whether a goal is met.
type verdict string

// The verdicts. Not every line is about a goal.
const (
	met     verdict = "met"
	missed  verdict = "NOT MET"
	noGoal  verdict = ""
	atLeast         = true
	atMost          = false
)

// judge reports whether a figure meets its goal.
func judge[T number](figure, goal T, low bool) verdict {
	if low && figure >= goal || !low && figure <= goal {
		return met
	}
	return missed
}

// line is one figure with its goal.
type line struct {
	what, figure, beside, goal string
	verdict                    verdict
}

// table is the printed output, section by section.
type table struct {
	out    io.Writer
	missed []string
}

var widths = []int{46, 25, 33, 12}

// section prints the figures of one section at once, because a run takes minutes.
func (t *table) section(title string, lines ...line) {
	fmt.Fprintf(t.out, "\n%s\n", title)
	t.row("", "qfpay-worker", "beside it", "goal", "")
	for _, l := range lines {
		t.row(l.what, l.figure, l.beside, l.goal, string(l.verdict))
		if l.verdict == missed {
			t.missed = append(t.missed, l.what)
		}
	}
}

func (t *table) row(cells ...string) {
	var b strings.Builder
	for i, cell := range cells {
		b.WriteString(cell)
		if i < len(widths) {
			b.WriteString(strings.Repeat(" ", max(1, widths[i]-utf8.RuneCountInString(cell))))
		}
	}
	fmt.Fprintln(t.out, "  "+strings.TrimRight(b.String(), " "))
}

// close prints the missed goals.
func (t *table) close() {
	if len(t.missed) == 0 {
		fmt.Fprintln(t.out, "\nevery goal that was measured is met")
		return
	}
	fmt.Fprintf(t.out, "\n%d not met:\n", len(t.missed))
	for _, what := range t.missed {
		fmt.Fprintln(t.out, "  "+what)
	}
}
