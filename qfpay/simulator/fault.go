package simulator

import (
	"fmt"
	"maps"
	"path"
	"slices"
	"strings"
)

// Fault names one way in which a call can fail. [FaultList] lists them. A name can say more
// than what happens:
//
//	[ENDPOINT.]NAME[@WHICH]
//
// With an endpoint, as in payment.reset, the fault happens only there. With @ and a pay type
// (respcd_1104:filter error@800201), or @ and an order number in which * stands for anything
// (http_403@A17*), it happens only to calls about such orders.
type Fault string

// Faults are the probabilities of faults, from 0 to 1. A call has at most one fault. Faults with
// the same @WHICH must not add up to more than 1 at any endpoint. A call first draws from those
// with an @WHICH that applies, in the order of their names; the others share what is left.
type Faults map[Fault]float64

// split takes a name apart.
func (f Fault) split() (scope string, plain Fault, which selector) {
	name := string(f)
	if i := strings.LastIndexByte(name, '@'); i >= 0 && i < len(name)-1 {
		name, which = name[:i], selector(name[i+1:])
	}
	if before, after, ok := strings.Cut(name, "."); ok && slices.Contains(endpoints, before) {
		return before, Fault(after), which
	}
	return "", Fault(name), which
}

// selector selects calls by pay type or order number; empty: all.
type selector string

func (s selector) valid() bool {
	_, err := path.Match(string(s), "")
	return err == nil
}

func (s selector) matches(c Call) bool {
	if s == "" || string(c.PayType) == string(s) {
		return true
	}
	for number := range strings.SplitSeq(c.OutTradeNo, ",") {
		if ok, err := path.Match(string(s), number); ok && err == nil && number != "" {
			return true
		}
	}
	return false
}

// Validate returns an error for an unknown fault or an invalid probability.
func (f Faults) Validate() error {
	type group struct {
		endpoint string
		which    selector
	}
	sum := map[group]float64{}
	for _, name := range slices.Sorted(maps.Keys(f)) {
		p := f[name]
		if !(p >= 0 && p <= 1) { // so that NaN is refused too
			return fmt.Errorf("fault %s: the probability must be from 0 to 1, not %v", name, p)
		}
		if isNotifyFault(name) {
			continue
		}
		scope, plain, which := name.split()
		if !which.valid() {
			return fmt.Errorf("fault %s: after @ there must be a pay type, or an order number, in which * may stand for anything", name)
		}
		_, at, err := plain.effect()
		if err != nil {
			return err
		}
		if scope != "" && !slices.Contains(at, scope) {
			return fmt.Errorf("fault %s: happens only at %s", name, strings.Join(at, ", "))
		}
		for _, e := range at {
			if scope != "" && scope != e {
				continue
			}
			g := group{e, which}
			if sum[g] += p; sum[g] > 1+1e-9 {
				return fmt.Errorf("fault %s: with it, the probabilities at %s add up to %.3g, but must not exceed 1", name, e, sum[g])
			}
		}
	}
	return nil
}

// drawing is one fault with its probability.
type drawing struct {
	name   Fault
	at     []string
	which  selector
	effect effect
	p      float64
}

// compile prepares valid faults for drawing, in a fixed order, so that a seed always gives the
// same result: first the faults of some orders, then those of all.
func (f Faults) compile() []drawing {
	var some, all []drawing
	for _, name := range slices.Sorted(maps.Keys(f)) {
		scope, plain, which := name.split()
		e, at, err := plain.effect()
		if err != nil { // a fault of notifications
			continue
		}
		if scope != "" {
			at = []string{scope}
		}
		if d := (drawing{name, at, which, e, f[name]}); which != "" {
			some = append(some, d)
		} else {
			all = append(all, d)
		}
	}
	return append(some, all...)
}

// draw returns the fault of a call for a random number u from [0, 1).
func draw(all []drawing, c Call, u float64) (Fault, effect) {
	for _, d := range all {
		if !slices.Contains(d.at, c.Endpoint) || !d.which.matches(c) {
			continue
		}
		if u -= d.p; u < 0 {
			return d.name, d.effect
		}
	}
	return "", effect{}
}

func isNotifyFault(f Fault) bool {
	for _, known := range notifyFaults {
		if known.name == f {
			return true
		}
	}
	return false
}
