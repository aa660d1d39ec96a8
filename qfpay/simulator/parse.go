package simulator

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// ParseFaults reads faults from a command line, each as name=probability.
func ParseFaults(args ...string) (Faults, error) {
	faults := Faults{}
	for _, arg := range args {
		i := strings.LastIndexByte(arg, '=')
		if i < 0 {
			return nil, fmt.Errorf("fault %q: must be name=probability, such as drop_after=0.02", arg)
		}
		name, p := arg[:i], arg[i+1:]
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
