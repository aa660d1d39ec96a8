package main

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"

	"github.com/alecthomas/kong"
)

// env is the environment. It provides the value of each setting that was not given as a
// flag, by the rule that --qfpay-base-url is QFPAY_BASE_URL. An empty variable counts as
// not set, because compose files and charts write "not set" that way.
type env map[string]string

func parseEnv(environ []string) env {
	e := env{}
	for _, pair := range environ {
		if name, value, ok := strings.Cut(pair, "="); ok && value != "" {
			e[name] = strings.TrimSuffix(value, "\r") // of a file with Windows' line ends
		}
	}
	return e
}

// variable returns the environment variable of a flag, or "" if the flag is not a setting.
func variable(flag string) string {
	for _, family := range []string{"redis-", "qfpay-", "worker-", "log-"} {
		if strings.HasPrefix(flag, family) {
			return strings.ToUpper(strings.ReplaceAll(flag, "-", "_"))
		}
	}
	return ""
}

// Validate implements kong.Resolver.
func (e env) Validate(*kong.Application) error { return nil }

// Resolve implements kong.Resolver.
func (e env) Resolve(_ *kong.Context, _ *kong.Path, flag *kong.Flag) (any, error) {
	if value, ok := e[variable(flag.Name)]; ok {
		return value, nil
	}
	return nil, nil
}

// settingNames returns the variables of all settings below a node, sorted.
func settingNames(node *kong.Node) []string {
	names := map[string]bool{}
	for _, leaf := range node.Leaves(true) {
		for _, flag := range leaf.Flags {
			if v := variable(flag.Name); v != "" {
				names[v] = true
			}
		}
	}
	return slices.Sorted(maps.Keys(names))
}

// inQuotes matches a value in quotes, those of word processors too.
var inQuotes = regexp.MustCompile(`(?s)^\s*["'“”„‘’«»].*["'“”„‘’«»]\s*$`)

// quoted returns an error for each setting of a command whose value stands in quotes. A shell
// removes them, but docker's --env-file and systemd's older versions do not.
func (e env) quoted(flags []*kong.Flag) error {
	var found checks
	for _, flag := range flags {
		name := variable(flag.Name)
		if name != "" && inQuotes.MatchString(e[name]) {
			found.failed(name, "has quotes around its value, which nothing has removed; write the value without them")
		}
	}
	return found.err()
}

// injected matches the variables that Kubernetes adds to every container for a service whose
// name begins with qfpay- or worker-.
var injected = regexp.MustCompile(`_(SERVICE_HOST|SERVICE_PORT(_.*)?|PORT(_\d+_(TCP|UDP|SCTP)(_(PROTO|PORT|ADDR))?)?)$`)

// unknown warns about variables that look like settings but are not. Otherwise a misspelt
// variable would silently leave the default in effect. Other programs have variables of their own,
// which may begin with REDIS_ and LOG_ too, so of those only one that is nearly a setting is named.
func (e env) unknown(known []string) []string {
	var warnings []string
	for _, name := range slices.Sorted(maps.Keys(e)) {
		upper := strings.ToUpper(name)
		shared := strings.HasPrefix(upper, "REDIS_") || strings.HasPrefix(upper, "LOG_")
		meant := nearest(upper, known)
		near := meant != "" && (shared || isOurs(meant) && distance(upper, meant) <= 2)
		if !isOurs(upper) && !near || slices.Contains(known, name) || injected.MatchString(name) {
			continue
		}
		warning := name + " is not a setting"
		if meant != "" {
			warning += fmt.Sprintf("; did you mean %s?", meant)
		}
		warnings = append(warnings, warning)
	}
	return warnings
}

// isOurs reports whether only this program has settings with such a name.
func isOurs(name string) bool {
	return strings.HasPrefix(name, "QFPAY") || strings.HasPrefix(name, "WORKER_")
}

// nearest returns the known name that is most similar to a misspelt one, or "".
func nearest(name string, known []string) string {
	best, limit := "", 1+len(name)/4
	for _, k := range known {
		if d := distance(name, k); d < limit {
			best, limit = k, d
		}
	}
	return best
}

// distance is the Levenshtein distance of two words.
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			substitute := diagonal
			if a[i] != b[j] {
				substitute++
			}
			diagonal = row[j+1]
			row[j+1] = min(substitute, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}
