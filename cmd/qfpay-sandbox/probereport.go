package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/qfpay-worker/qfpay-worker/cmd/internal/console"
	"github.com/qfpay-worker/qfpay-worker/cmd/qfpay-sandbox/internal/probe"
	"github.com/qfpay-worker/qfpay-worker/internal/printable"
	"github.com/qfpay-worker/qfpay-worker/qfpay"
)

// report is what the probe has found.
type report struct {
	findings  []probe.Finding
	leftovers []probe.Leftover
	now       time.Time
}

// newReport reads a journal: about the pay types of this run, and of earlier ones.
func newReport(j *probe.Journal, types []qfpay.PayType, now time.Time) report {
	for _, t := range j.PayTypes() {
		if !slices.Contains(types, t) {
			types = append(types, t)
		}
	}
	return report{findings: probe.Findings(j.Observations(), types), leftovers: probe.Leftovers(j.Observations(), types, now), now: now}
}

// anything reports whether a create has succeeded.
func (r report) anything() bool {
	return slices.ContainsFunc(r.findings, func(f probe.Finding) bool {
		return (f.Question == probe.OnSHA256 || f.Question == probe.OnMD5) && f.Answer == probe.IsTaken
	})
}

// longestEvidence is the most characters of evidence in the table. The journal has all.
const longestEvidence = 110

// write prints the findings with their evidence, and what is left to do.
func (r report) write(w io.Writer) error {
	for _, group := range r.groups() {
		title := "\nthe account"
		if p := group[0].PayType; p != "" {
			title = fmt.Sprintf("\n%s (%s)", p.Wallet(), p)
		}
		if _, err := fmt.Fprintln(w, title); err != nil {
			return err
		}
		table := console.NewTable("  question", "answer", "evidence")
		table.Fix(31, 24)
		for _, f := range group {
			table.Add("  "+string(f.Question), string(f.Answer), shortened(oneLine(f.Evidence)))
		}
		if err := table.Write(w); err != nil {
			return err
		}
	}
	return r.writeLeft(w)
}

// groups returns the findings of each pay type, and those of the account.
func (r report) groups() (groups [][]probe.Finding) {
	for _, f := range r.findings {
		if n := len(groups); n > 0 && groups[n-1][0].PayType == f.PayType {
			groups[n-1] = append(groups[n-1], f)
			continue
		}
		groups = append(groups, []probe.Finding{f})
	}
	return groups
}

// writeLeft prints when another run can find out more, and which orders may still stand.
func (r report) writeLeft(w io.Writer) error {
	var text strings.Builder
	for _, f := range r.findings {
		if f.Answer != probe.RefusedYoung {
			continue
		}
		when := "Run the same command again, twice, 5 minutes apart"
		if r.now.Before(f.Until) {
			when = fmt.Sprintf("Run the same command again between %s and %s", f.Again.Format(time.TimeOnly), f.Until.Format(time.TimeOnly))
		}
		fmt.Fprintf(&text, "\n%s, %s: not answered for older orders. %s.", f.PayType, f.Question, when)
	}
	if n := len(r.leftovers); n > 0 {
		fmt.Fprintf(&text, "\n%d orders may still stand. Nobody has their codes, and they run out by themselves:", n)
		for _, l := range r.leftovers {
			if l.Paid {
				fmt.Fprintf(&text, "\n  %s %s is PAID: refund it in QFPay's portal", l.PayType, l.Number)
				continue
			}
			fmt.Fprintf(&text, "\n  %s %s, until %s", l.PayType, l.Number, l.Expires.Format(time.TimeOnly))
		}
	}
	if text.Len() == 0 {
		return nil
	}
	_, err := fmt.Fprintln(w, text.String())
	return err
}

func shortened(text string) string {
	if runes := []rune(text); len(runes) > longestEvidence {
		return string(runes[:longestEvidence]) + "…"
	}
	return text
}

// settingsHead is how a file of settings by the probe begins.
const settingsHead = "# Settings by qfpay-sandbox probe"

// settingsFile is the path of a file that the probe may write.
type settingsFile string

// openSettingsFile refuses a file that is there and was not written by the probe.
func openSettingsFile(path string) (settingsFile, error) {
	f, err := os.Open(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return settingsFile(path), nil
	case err != nil:
		return "", err
	}
	defer f.Close()
	first, _ := bufio.NewReader(io.LimitReader(f, 4096)).ReadString('\n') // a file that cannot be read is not ours
	if !strings.HasPrefix(first, settingsHead) {
		return "", fmt.Errorf("%s is there, and is not a file that the probe has written; name another one", path)
	}
	return settingsFile(path), nil
}

// write replaces the file. Every line is one line, whatever QFPay has answered.
func (s settingsFile) write(lines []string) error {
	var text strings.Builder
	for _, line := range lines {
		text.WriteString(printable.String(oneLine(line)) + "\n")
	}
	temporary, err := os.CreateTemp(filepath.Dir(string(s)), filepath.Base(string(s))+".*")
	if err != nil {
		return err
	}
	defer os.Remove(temporary.Name()) // it is not there any more if all went well
	_, err = temporary.WriteString(text.String())
	if err = errors.Join(err, temporary.Chmod(0o644), temporary.Close()); err != nil {
		return err
	}
	return os.Rename(temporary.Name(), string(s))
}
