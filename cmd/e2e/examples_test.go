package e2e

import (
	"encoding/csv"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/qfpay-worker/qfpay-worker/internal/redistest"
)

// example is one file of examples/ with its intentionally invalid lines. Each file also repeats
// one order.
type example struct {
	file   string
	broken []int
	read   func(t *testing.T, file string) map[int]wanted
}

const (
	exampleOrders     = 300 // good rows a file
	exampleDuplicates = 1
)

var (
	csvExample    = example{"../../examples/orders.csv", []int{42, 88, 134, 181, 227, 273}, readCSV}
	ndjsonExample = example{"../../examples/orders.ndjson", []int{31, 77, 123, 170, 216, 262}, readNDJSON}
)

// examplesPerSecond is the gateway's limit for each file of examples/.
const examplesPerSecond = 50

// TestExamples_EveryCSVOrderBecomesOneQRCode tests the whole path: three workers, and a gateway that
// applies its limits. 300 orders at 250 a minute take more than a minute.
func TestExamples_EveryCSVOrderBecomesOneQRCode(t *testing.T) {
	t.Parallel()
	csvExample.becomesQRCodes(t, 250)
}

// TestExamples_EveryNDJSONOrderBecomesOneQRCode is the same for the other file, at a gateway whose limit of
// a minute it does not reach.
func TestExamples_EveryNDJSONOrderBecomesOneQRCode(t *testing.T) {
	t.Parallel()
	ndjsonExample.becomesQRCodes(t, 2500)
}

func (e example) becomesQRCodes(t *testing.T, perMinute int) {
	// Everything ever written to this Redis is in its append-only file.
	redis := redistest.Start(t, "--appendonly", "yes")
	gateway := startGateway(t, "--latency", "20ms-120ms", "--per-second", strconv.Itoa(examplesPerSecond), "--per-minute", strconv.Itoa(perMinute))
	var workers []*worker
	for range 3 {
		// A little below the gateway's limits. Other tests show, on Redis's clock, that the
		// limiter is exact. Here the gateway is a process too: if a busy machine stops it for
		// half a second, calls seem simultaneous that were not.
		workers = append(workers, startWorker(t, settings(redis, gateway, rightKey, "WORKER_SHUTDOWN_TIMEOUT=12s",
			"QFPAY_PER_SECOND=35", "QFPAY_PER_MINUTE="+strconv.Itoa(perMinute*92/100))))
	}
	following := follow(t, redis)
	orders := e.enqueue(t, redis)
	following.await(t, len(orders), 3*time.Minute)

	checkWorkers(t, workers, len(orders))
	for _, w := range workers {
		w.shutDown(t, shutdownTimeout+2*time.Second)
	}
	e.checkStream(t, redis, following)
	ledger := gateway.orders(t)
	checkBooks(t, orders, results(t, redis), ledger)
	if len(ledger) != len(orders) {
		t.Errorf("the gateway has %d orders, want %d and no others", len(ledger), len(orders))
	}
	checkLimits(t, gateway, perMinute)
	checkAppendOnlyFile(t, redis, orders[0])
}

// orders returns the valid orders of the file, each once. It does not use the project's own
// readers, so that the test can find their errors.
func (e example) orders(t *testing.T) []wanted {
	t.Helper()
	var good []wanted
	for line, o := range e.read(t, e.file) {
		if !slices.Contains(e.broken, line) && !slices.Contains(good, o) {
			good = append(good, o)
		}
	}
	if len(good) != exampleOrders {
		t.Fatalf("%s has %d good orders, want %d", e.file, len(good), exampleOrders)
	}
	return good
}

func readCSV(t *testing.T, file string) map[int]wanted {
	t.Helper()
	f, err := os.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	r := csv.NewReader(f)
	r.FieldsPerRecord = -1
	records, err := r.ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	at := map[string]int{}
	for i, name := range records[0] {
		at[name] = i
	}
	rows := map[int]wanted{}
	for i, record := range records[1:] {
		field := func(name string) string { return record[at[name]] }
		rows[i+2] = wanted{field("out_trade_no"), field("pay_type"), field("txamt"), field("txcurrcd")}
	}
	return rows
}

func readNDJSON(t *testing.T, file string) map[int]wanted {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	rows := map[int]wanted{}
	for i, line := range strings.Split(strings.TrimSpace(string(text)), "\n") {
		var o struct {
			OutTradeNo string      `json:"out_trade_no"`
			PayType    string      `json:"pay_type"`
			TxAmt      json.Number `json:"txamt"`
			TxCurrCd   string      `json:"txcurrcd"`
		}
		// A line that is not JSON is one of the invalid ones, and counted there.
		if err := json.Unmarshal([]byte(line), &o); err == nil {
			rows[i+1] = wanted{o.OutTradeNo, o.PayType, o.TxAmt.String(), o.TxCurrCd}
		}
	}
	return rows
}

// rejectedLines returns the lines that a --rejects file names in its reasons.
func rejectedLines(t *testing.T, file string) []int {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var lines []int
	for _, reason := range regexp.MustCompile(`(?m)^(?:"|\{"reject_reason":")line (\d+): `).FindAllStringSubmatch(string(text), -1) {
		n, _ := strconv.Atoi(reason[1])
		lines = append(lines, n)
	}
	return lines
}

// sampleFile writes n orders of pay types that can be closed, and so reissued, and
// returns the file and the orders.
func sampleFile(t *testing.T, n int) (string, []wanted) {
	t.Helper()
	orders := make([]wanted, n)
	text := "out_trade_no,pay_type,txamt,txcurrcd,goods_name\n"
	for i := range orders {
		payType := []string{"800101", "801501", "800201"}[i%3]
		o := wanted{fmt.Sprintf("E2E-%04d", i), payType, fmt.Sprint(100 + i), "HKD"}
		orders[i] = o
		text += strings.Join([]string{o.outTradeNo, o.payType, o.txAmt, o.txCurrCd, "奶茶"}, ",") + "\n"
	}
	file := filepath.Join(t.TempDir(), "orders.csv")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return file, orders
}
