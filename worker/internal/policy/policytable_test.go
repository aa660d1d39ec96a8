package policy

import (
	"flag"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write the policy's table in docs/architecture.md anew")

const (
	architecture  = "../../../docs/architecture.md"
	tableBegins   = "<!-- printed from next by TestPolicy_IsShownInTheDocs -update -->\n"
	tableEnds     = "<!-- end of it -->\n"
	drawingBegins = "<!-- drawn from next by TestPolicy_IsShownInTheDocs -update -->\n"
	drawingEnds   = "<!-- end of the drawing -->\n"
)

// The table and the drawing in the docs are printed from next itself, so they cannot be out
// of date.
func TestPolicy_IsShownInTheDocs(t *testing.T) {
	t.Parallel()
	holdsDocsTo(t, tableBegins, policyTable(), tableEnds)
	holdsDocsTo(t, drawingBegins, policyDrawing(), drawingEnds)
}

// holdsDocsTo compares what stands between two lines of the docs, or writes it.
func holdsDocsTo(t *testing.T, begin, want, end string) {
	t.Helper()
	text, err := os.ReadFile(architecture)
	if err != nil {
		t.Fatal(err)
	}
	before, rest, begins := strings.Cut(string(text), begin)
	old, after, ends := strings.Cut(rest, end)
	if !begins || !ends {
		t.Fatalf("%s has no place for %s", architecture, begin)
	}
	if *update {
		if err := os.WriteFile(architecture, []byte(before+begin+want+end+after), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if old != want {
		t.Errorf("%s does not show the policy as it is; run go test ./worker/internal/policy -run Policy_IsShown -update\nwant:\n%s", architecture, want)
	}
}

var stateTitles = []string{"NEW", "SENT", "CLOSING"}

// replyTitles say what the latest call has shown.
var replyTitles = []string{
	"*(start of an attempt)*", "create: a QR code", "create: refused for good", "create: failed, not now", "create: not carried out",
	"create: signature refused", "create: configuration refused", "create: any other answer, or none", "query: stands unpaid", "query: paid",
	"query: closed or expired", "query: failed at the channel", "query: refused", "query: no such order",
	"query: somebody else's order", "query: ours or not", "no answer to rely on", "close: sent",
}

// policyTable has a row for each reply, a column for each state, and in each cell every
// step that next takes there, whatever the other facts.
func policyTable() string {
	cells := map[[2]int][]string{}
	for f, step := range everyStep {
		at := [2]int{int(f.Reply), int(f.State)}
		if s := step.named(); !slices.Contains(cells[at], s) {
			cells[at] = append(cells[at], s)
		}
	}
	var out strings.Builder
	fmt.Fprintf(&out, "| what the latest call has shown | %s |\n|---|---|---|---|\n", strings.Join(stateTitles, " | "))
	for r := Nothing; r < replies; r++ {
		fmt.Fprintf(&out, "| %s |", replyTitles[r])
		for s := StateNew; s < States; s++ {
			steps := cells[[2]int{int(r), int(s)}]
			slices.Sort(steps)
			fmt.Fprintf(&out, " %s |", strings.Join(steps, ", "))
		}
		out.WriteString("\n")
	}
	return out.String()
}

// policyDrawing is a state diagram of the journal, with an arrow for each step of next that
// changes its state, and what the latest call had shown.
func policyDrawing() string {
	type arrow struct{ from, to, step string }
	why := map[arrow][]string{}
	for f, s := range everyStep {
		to, moves := s.leadsTo()
		if !moves {
			continue
		}
		a := arrow{stateTitles[f.State], to, strings.Trim(s.named(), "*")}
		shown := strings.Trim(replyTitles[f.Reply], "*()")
		if !slices.Contains(why[a], shown) {
			why[a] = append(why[a], shown)
		}
	}
	arrows := slices.SortedFunc(maps.Keys(why), func(a, b arrow) int {
		return strings.Compare(fmt.Sprint(slices.Index(stateTitles, a.from), a), fmt.Sprint(slices.Index(stateTitles, b.from), b))
	})
	var out strings.Builder
	out.WriteString("```mermaid\nstateDiagram-v2\n  [*] --> NEW: accept\n")
	for _, a := range arrows {
		slices.Sort(why[a])
		fmt.Fprintf(&out, "  %s --> %s: %s (%s)\n", a.from, a.to, a.step, strings.ReplaceAll(strings.Join(why[a], " / "), ":", ""))
	}
	out.WriteString("  DONE --> [*]\n```\n")
	return out.String()
}

// leadsTo says in which state a step leaves the journal, if it changes it.
func (s Step) leadsTo() (state string, moves bool) {
	switch s.Do {
	case Create:
		return "SENT", true
	case Retract, Reissue:
		return "NEW", true
	case CloseOrder:
		return "CLOSING", true
	case Settle:
		return "DONE", true
	}
	return "", false
}

// everyStep calls yield with the step of each combination of facts that can come about, but for steps that
// another combination with the same reply and state has shown just before.
func everyStep(yield func(Facts, Step) bool) {
	var last Step
	of := Facts{Reply: replies}
	for f := range everyFacts {
		if !f.possible() {
			continue
		}
		s := Next(f)
		if s == last && f.Reply == of.Reply && f.State == of.State {
			continue
		}
		if last, of = s, f; !yield(f, s) {
			return
		}
	}
}

// possible leaves out what cannot come about: nothing but the start of an attempt, or
// what made a create be taken back, is seen in NEW.
func (f Facts) possible() bool {
	switch f.Reply {
	case Nothing:
		return true
	case NotExecuted, SignatureRefused, NotFound:
		return f.State != StateClosing || f.Reply == NotFound
	case Created, Refused, NotNow, ConfigRefused, Unknown:
		return f.State == StateSent
	case CloseSent:
		return f.State == StateClosing
	default:
		return f.State != StateNew
	}
}

// named names a step as the docs do.
func (s Step) named() string {
	if s.Do == Settle {
		return "**" + string(s.Outcome) + "**"
	}
	return []string{"create", "retract", "query", "close", "reissue", "wait", "wait (noting it)"}[s.Do]
}
