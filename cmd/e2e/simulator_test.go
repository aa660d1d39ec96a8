package e2e

import (
	"bufio"
	"encoding/json"
	"io"
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/qfpay-worker/qfpay-worker/qfpay/simulator"
)

// web is an HTTP client that closes its connections at once, so that none outlives its test.
var web = &http.Client{
	Transport: &http.Transport{DisableKeepAlives: true},
	Timeout:   10 * time.Second,
}

// get returns the status and the body of a page. No page shows a key.
func get(t *testing.T, url string) (int, string) {
	t.Helper()
	answer, err := web.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	checkSecrets(t, url, string(body))
	return answer.StatusCode, string(body)
}

// gateway is a simulator in a separate process.
type gateway struct {
	*process
	url string
}

var address = regexp.MustCompile(`http://(127\.0\.0\.1:\d+)`)

// startGateway runs a simulator on a free port, which it prints on standard error. Its limits are
// QFPay's, unless args set others.
func startGateway(t *testing.T, args ...string) *gateway {
	t.Helper()
	args = append([]string{"simulator", "--addr", "127.0.0.1:0", "--client-key", rightKey}, args...)
	g := &gateway{process: start(t, nil, "qfpay-sandbox", args...)}
	g.name = "simulator" // its arguments contain a key
	g.await(t, g.err, "an address", patience, address.MatchString)
	g.url = "http://" + address.FindStringSubmatch(g.err.text())[1]
	return g
}

// orders returns the ledger.
func (g *gateway) orders(t *testing.T) []simulator.Order {
	t.Helper()
	return rows[simulator.Order](t, g.url+"/_simulator/ledger")
}

// calls returns every call that has arrived.
func (g *gateway) calls(t *testing.T) []simulator.Call {
	t.Helper()
	return rows[simulator.Call](t, g.url+"/_simulator/calls")
}

// peak returns the most calls that arrived in any window of this length.
func (g *gateway) peak(t *testing.T, window string) int {
	t.Helper()
	_, text := get(t, g.url+"/_simulator/peak?window="+window)
	n, err := strconv.Atoi(strings.TrimSpace(text))
	if err != nil {
		t.Fatalf("peak: %v", err)
	}
	return n
}

// rows reads a page of NDJSON.
func rows[T any](t *testing.T, url string) []T {
	t.Helper()
	_, text := get(t, url)
	return decode[T](t, text)
}

// decode reads NDJSON, whole lines only.
func decode[T any](t *testing.T, text string) []T {
	t.Helper()
	text = text[:strings.LastIndexByte(text, '\n')+1]
	var all []T
	lines := bufio.NewScanner(strings.NewReader(text))
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		var row T
		if err := json.Unmarshal(lines.Bytes(), &row); err != nil {
			t.Fatalf("%v: %s", err, lines.Text())
		}
		all = append(all, row)
	}
	if err := lines.Err(); err != nil {
		t.Fatal(err)
	}
	return all
}
