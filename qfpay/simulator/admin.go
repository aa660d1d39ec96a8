package simulator

import (
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"strconv"
	"time"
)

// adminPath is the prefix of the admin API for tests in other processes; see the package
// comment. It is for loopback only, because its callers can mark orders as paid.
const adminPath = "/_simulator/"

func (g *Gateway) serveAdmin(w http.ResponseWriter, r *http.Request) {
	host, _, err := net.SplitHostPort(r.RemoteAddr)
	if ip := net.ParseIP(host); err != nil || ip == nil || !ip.IsLoopback() {
		http.Error(w, adminPath+" answers to loopback addresses only", http.StatusForbidden)
		return
	}
	if err := r.ParseForm(); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	switch r.Method + " " + r.URL.Path[len(adminPath):] {
	case "GET ledger":
		writeLines(w, g.Orders())
	case "GET calls":
		writeLines(w, g.Calls())
	case "GET peak":
		g.servePeak(w, r)
	default:
		g.serveChange(w, r)
	}
}

// serveChange serves the requests that change the gateway.
func (g *Gateway) serveChange(w http.ResponseWriter, r *http.Request) {
	var err error
	switch r.Method + " " + r.URL.Path[len(adminPath):] {
	case "POST pay":
		err = g.Pay(r.Form.Get("out_trade_no"))
	case "POST pay-again":
		err = g.PayAgain(r.Form.Get("out_trade_no"))
	case "POST pay-late":
		err = g.PayLate(r.Form.Get("out_trade_no"))
	case "POST scan":
		err = g.Scan(r.Form.Get("out_trade_no"))
	case "POST refund":
		err = g.Refund(r.Form.Get("out_trade_no"))
	case "POST advance":
		var by time.Duration
		if by, err = time.ParseDuration(r.Form.Get("by")); err == nil {
			g.Advance(by)
		}
	case "POST faults":
		var f Faults
		if f, err = ParseFaults(r.Form["fault"]...); err == nil {
			err = g.SetFaults(f)
		}
	case "POST limits":
		perSecond, ok1 := limit(r.Form.Get("per_second"))
		perMinute, ok2 := limit(r.Form.Get("per_minute"))
		if !ok1 || !ok2 {
			err = fmt.Errorf("per_second and per_minute: must be integers, 0 for no limit")
			break
		}
		g.SetLimits(perSecond, perMinute)
	default:
		http.NotFound(w, r)
		return
	}
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	w.WriteHeader(http.StatusNoContent)
}

func (g *Gateway) servePeak(w http.ResponseWriter, r *http.Request) {
	window := time.Second
	if s := r.Form.Get("window"); s != "" {
		var err error
		if window, err = time.ParseDuration(s); err != nil {
			http.Error(w, "window: "+err.Error(), http.StatusBadRequest)
			return
		}
	}
	appCode := r.Form.Get("app_code")
	if appCode == "" {
		appCode = g.config.Merchants[0].AppCode
	}
	fmt.Fprintln(w, g.Peak(appCode, window))
}

// writeLines writes NDJSON. It stops if the client has disconnected.
func writeLines[T any](w http.ResponseWriter, rows []T) {
	w.Header().Set("Content-Type", "application/x-ndjson")
	lines := json.NewEncoder(w)
	for _, row := range rows {
		if lines.Encode(row) != nil {
			return
		}
	}
}

// limit reads a limit from user input: 0 is no limit.
func limit(s string) (int, bool) {
	n, err := strconv.ParseUint(s, 10, 31)
	if n == 0 {
		return NoLimit, err == nil
	}
	return int(n), err == nil
}
