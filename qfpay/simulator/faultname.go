package simulator

import (
	"fmt"
	"strconv"
	"strings"
)

// numberedFaults are the faults whose names contain a number.
var numberedFaults = []struct{ name, does string }{
	{"http_N", "HTTP status N (300 to 599) with a page of HTML, nothing is carried out; 3xx has a Location"},
	{"http_N_after", "carried out, then answered as by http_N"},
	{"status_N", "carried out, and QFPay's own answer has HTTP status N (201 to 599)"},
	{"respcd_N", "respcd N, nothing is carried out"},
	{"respcd_N_failed", "respcd N and a syssn; the order is stored as failed"},
	{"respcd_N_live", "respcd N and a syssn; carried out, so the order stands"},
	{"respcd_N_unsaid", "respcd N without a syssn, though carried out"},
	{"respcd_N…_http_M", "each of these with HTTP status M"},
	{"respcd_N…:TEXT", "each of these with a text: in resperr if it is Chinese, otherwise in respmsg. " +
		"Such as 1104:filter error, 1251:订单号重复, 1104:out_trade_no already exists"},
}

// FaultList returns all faults by kind: a line with the kind, and then for each of its faults an
// indented line with its name, a colon, and its effect.
func FaultList() []string {
	var list []string
	for _, group := range faultTable {
		kind := group.kind
		if group.at == nil {
			kind += ", at every endpoint"
		}
		list = append(list, kind)
		for _, f := range group.lines {
			list = append(list, fmt.Sprintf("  %s: %s", f.name, f.does))
		}
	}
	list = append(list, "HTTP statuses and respcds, at every endpoint")
	for _, f := range numberedFaults {
		list = append(list, fmt.Sprintf("  %s: %s", f.name, f.does))
	}
	list = append(list, "Notifications")
	for _, f := range notifyFaults {
		list = append(list, fmt.Sprintf("  %s: %s", f.name, f.does))
	}
	return list
}

// effect returns the effect of a plain name, and the endpoints at which it happens.
func (f Fault) effect() (effect, []string, error) {
	for _, group := range faultTable {
		for _, known := range group.lines {
			if known.name != f {
				continue
			}
			if group.at == nil {
				return known.effect, endpoints, nil
			}
			return known.effect, group.at, nil
		}
	}
	if e, ok := numbered(string(f)); ok {
		return e, endpoints, nil
	}
	return effect{}, nil, fmt.Errorf("fault %q is not known; the known ones, each also with an endpoint in front (payment.drop), are:\n%s",
		string(f), strings.Join(FaultList(), "\n"))
}

// numbered reads the names that contain a number.
func numbered(name string) (effect, bool) {
	family, rest, _ := strings.Cut(name, "_")
	switch family {
	case "http":
		number, after := strings.CutSuffix(rest, "_after")
		n, ok := statusFrom(number, 300)
		return effect{status: n, page: true, notDone: !after}, ok
	case "status":
		n, ok := statusFrom(rest, 201)
		return effect{status: n}, ok
	case "respcd":
		return respcdFault(rest)
	}
	return effect{}, false
}

// respcdFault reads N[_failed|_live|_unsaid][_http_M][:TEXT].
func respcdFault(name string) (effect, bool) {
	name, text, told := strings.Cut(name, ":")
	name, status, moved := strings.Cut(name, "_http_")
	number, suffix, suffixed := strings.Cut(name, "_")
	left, known := aftermaths[suffix]
	e := effect{respcd: number, text: text, aftermath: left, notDone: left == nothingStored}
	ok := known && isRespCd(number) && suffixed == (suffix != "") && told == (text != "")
	if moved {
		n, valid := statusFrom(status, 201)
		e.status, ok = n, ok && valid
	}
	return e, ok
}

var aftermaths = map[string]aftermath{"": nothingStored, "failed": failedOrder, "live": liveOrder, "unsaid": unsaidOrder}

// isRespCd reports whether s is four digits, and not those of success.
func isRespCd(s string) bool {
	return len(s) == 4 && s != "0000" && strings.Trim(s, "0123456789") == ""
}

// statusFrom reads an HTTP status of at least lowest that may have a body.
func statusFrom(s string, lowest int) (int, bool) {
	n, err := strconv.Atoi(s)
	return n, err == nil && len(s) == 3 && n >= lowest && n <= 599 && n != 204 && n != 205 && n != 304
}
