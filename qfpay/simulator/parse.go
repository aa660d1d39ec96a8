package simulator

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"
)

// FaultList returns all faults, one line each: the name and the effect.
func FaultList() []string {
	var list []string
	for _, f := range plainFaults {
		list = append(list, fmt.Sprintf("%s: %s", f.name, f.does))
	}
	return append(list,
		"http_N: HTTP status N (400 to 599), nothing is carried out",
		"http_N_after: carried out, then HTTP status N",
		"respcd_N: respcd N, nothing is carried out",
		"respcd_N_failed: respcd N and a syssn; the order is stored as failed",
		"respcd_N_live: respcd N and a syssn; carried out, so the order stands",
		"respcd_N_unsaid: respcd N without a syssn, though carried out",
		string(notifyTwice)+": a notification is sent twice",
		string(notifyLate)+": a notification is sent only after Late",
		string(notifyBadSignature)+": a notification is sent with a wrong signature",
	)
}

// ParseFaults reads faults from a command line, each as name=probability.
func ParseFaults(args ...string) (Faults, error) {
	faults := Faults{}
	for _, arg := range args {
		name, p, ok := strings.Cut(arg, "=")
		if !ok {
			return nil, fmt.Errorf("fault %q: must be name=probability, such as drop_after=0.02", arg)
		}
		probability, err := strconv.ParseFloat(p, 64)
		if err != nil {
			return nil, fmt.Errorf("fault %s: the probability must be a number from 0 to 1, not %q", name, p)
		}
		if _, twice := faults[Fault(name)]; twice {
			return nil, fmt.Errorf("fault %s: given twice", name)
		}
		faults[Fault(name)] = probability
	}
	return faults, faults.Validate()
}

// Validate returns an error for an unknown fault or an invalid probability.
func (f Faults) Validate() error {
	sum := map[string]float64{}
	for _, name := range slices.Sorted(maps.Keys(f)) {
		p := f[name]
		if !(p >= 0 && p <= 1) { // so that NaN is refused too
			return fmt.Errorf("fault %s: the probability must be from 0 to 1, not %v", name, p)
		}
		scope, plain := name.split()
		if isNotifyFault(plain) && scope == "" {
			continue
		}
		if _, err := plain.effect(); err != nil {
			return err
		}
		for _, e := range endpoints {
			if scope == "" || scope == e {
				sum[e] += p
			}
		}
	}
	for _, e := range endpoints {
		if sum[e] > 1+1e-9 {
			return fmt.Errorf("faults: the probabilities at %s add up to %.3g, but must not exceed 1", e, sum[e])
		}
	}
	return nil
}

// split splits an endpoint in front of a name from the name.
func (f Fault) split() (scope string, plain Fault) {
	if before, after, ok := strings.Cut(string(f), "."); ok && slices.Contains(endpoints, before) {
		return before, Fault(after)
	}
	return "", f
}

// effect returns the effect of f.
func (f Fault) effect() (effect, error) {
	_, f = f.split()
	for _, known := range plainFaults {
		if known.name == f {
			return known.effect, nil
		}
	}
	if e, ok := f.numbered(); ok {
		return e, nil
	}
	return effect{}, fmt.Errorf("fault %q is not known; the known ones, each also with an endpoint in front (payment.drop), are:\n  %s",
		string(f), strings.Join(FaultList(), "\n  "))
}

// numbered reads names that contain a number: http_N… and respcd_N….
func (f Fault) numbered() (effect, bool) {
	family, rest, _ := strings.Cut(string(f), "_")
	number, suffix, _ := strings.Cut(rest, "_")
	n, err := strconv.ParseUint(number, 10, 16)
	if err != nil {
		return effect{}, false
	}
	switch family {
	case "http":
		return effect{status: int(n), notDone: suffix == ""}, n >= 400 && n <= 599 && (suffix == "" && rest == number || suffix == "after")
	case "respcd":
		left, known := aftermaths[suffix]
		return effect{respcd: number, aftermath: left, notDone: left == nothingStored},
			known && len(number) == 4 && number != "0000" && !strings.HasSuffix(rest, "_")
	}
	return effect{}, false
}

var aftermaths = map[string]aftermath{"": nothingStored, "failed": failedOrder, "live": liveOrder, "unsaid": unsaidOrder}

func isNotifyFault(f Fault) bool {
	return f == notifyTwice || f == notifyLate || f == notifyBadSignature
}

// UnmarshalText reads a latency from a command line: 50ms-300ms, or 50ms for a constant one.
func (l *Latency) UnmarshalText(text []byte) error {
	from, to, ranged := strings.Cut(string(text), "-")
	if !ranged {
		to = from
	}
	shortest, err1 := time.ParseDuration(from)
	longest, err2 := time.ParseDuration(to)
	if err1 != nil || err2 != nil || shortest < 0 || longest < shortest {
		return fmt.Errorf("latency %q: must be a duration or a range, such as 50ms or 50ms-300ms", text)
	}
	*l = Latency{shortest, longest}
	return nil
}
