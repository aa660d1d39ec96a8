package main

import (
	"fmt"
	"net"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

// SettingError is a problem with one setting.
type SettingError struct {
	Variable string // the environment variable; the flag is the same in lower case, with hyphens
	Problem  string // what the value must be; never the value of a secret
}

// Error implements error.
func (e SettingError) Error() string { return e.Variable + ": " + e.Problem }

// SettingErrors are all problems of the configuration. They are reported together, so that
// one restart is enough to find them.
type SettingErrors []SettingError

// Error implements error, with one line per setting.
func (e SettingErrors) Error() string {
	lines := make([]string, len(e))
	for i, s := range e {
		lines[i] = s.Error()
	}
	return strings.Join(lines, "\n")
}

// checks reads settings from their text and collects the problems.
type checks struct {
	wrong    SettingErrors
	warnings []string // what is risky and not wrong
}

// failed records a problem with a variable.
func (c *checks) failed(variable, format string, args ...any) {
	c.wrong = append(c.wrong, SettingError{Variable: variable, Problem: fmt.Sprintf(format, args...)})
}

// secretFile warns about a file with a secret that everybody can read.
func (c *checks) secretFile(variable, path string) {
	if warning, yes := exposed(path); yes {
		c.warnings = append(c.warnings, variable+": "+warning)
	}
}

// longestShown is the longest value that a message quotes. A longer one may be a key, a token or
// a password in the wrong variable.
const longestShown = 8

// quoted returns a wrong value for a message, or its length if it may be a secret.
func quoted(value string) string {
	if n := utf8.RuneCountInString(value); n > longestShown {
		return fmt.Sprintf("a text of %d characters", n)
	}
	return strconv.Quote(value)
}

// err returns the problems, or nil.
func (c *checks) err() error {
	if len(c.wrong) == 0 {
		return nil
	}
	return c.wrong
}

// integer reads a whole number from low to high.
func (c *checks) integer(variable, text string, low, high int) int {
	n, err := strconv.Atoi(strings.TrimSpace(text))
	if err != nil || n < low || n > high {
		c.failed(variable, "must be a whole number from %d to %d, not %s", low, high, quoted(text))
	}
	return n
}

// duration reads a duration from low to high.
func (c *checks) duration(variable, text string, low, high time.Duration) time.Duration {
	d, err := time.ParseDuration(strings.TrimSpace(text))
	if err != nil || d < low || d > high {
		c.failed(variable, "must be a duration from %gs to %gs, such as 10s, not %s", low.Seconds(), high.Seconds(), quoted(text))
	}
	return d
}

// yes reads a switch.
func (c *checks) yes(variable, text string) bool {
	b, err := strconv.ParseBool(strings.TrimSpace(text))
	if err != nil {
		c.failed(variable, "must be true or false, not %s", quoted(text))
	}
	return b
}

// choice reads one of a few words, in any case.
func (c *checks) choice(variable, text string, words ...string) string {
	text = strings.TrimSpace(text)
	i := slices.IndexFunc(words, func(w string) bool { return strings.EqualFold(w, text) })
	if i < 0 {
		c.failed(variable, "must be %s, not %s", oneOf(words), quoted(text))
		return text
	}
	return words[i]
}

// oneOf writes a list of words as "a, b or c".
func oneOf(words []string) string {
	last := len(words) - 1
	if last <= 0 {
		return strings.Join(words, "")
	}
	return strings.Join(words[:last], ", ") + " or " + words[last]
}

// listenAddr checks an address to listen on. port is for the example in the message.
func listenAddr(found *checks, variable, port, addr string) string {
	_, given, err := net.SplitHostPort(addr)
	if n, numErr := strconv.Atoi(given); err != nil || numErr != nil || n < 0 || n > 65535 {
		found.failed(variable, "must be host:port, such as 127.0.0.1:%s or :%s, not %s", port, port, quoted(addr))
	}
	return addr
}
