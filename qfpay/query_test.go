package qfpay

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

var march = []Month{{2026, time.March}}

const oneRow = `{"syssn":"20260301066200020000976054","out_trade_no":"ORD_0001","txamt":2500,"txcurrcd":"HKD","txdtm":"2026-03-01 08:00:00",` +
	`"sysdtm":"2026-03-01 08:00:03","paydtm":"","pay_type":"800101","order_type":"payment","respcd":"1145","errmsg":"(1145)","cancel":0,"origssn":null,"chnlsn":"C"}`

func rows(all ...string) string {
	return `{"respcd":"0000","resperr":"","respmsg":"","page":"1","page_size":100,"data":[` + strings.Join(all, ",") + `]}`
}

func TestQuery_OneMonthIsAskedForAndItsRowsAreRead(t *testing.T) {
	t.Parallel()
	g, c := newGateway(t, says(rows(oneRow)))
	c.Merchant.MchID = "M1"
	got, err := c.Query(t.Context(), []string{"ORD_0001"}, march)
	if err != nil {
		t.Fatal(err)
	}
	want := []Record{{
		Syssn: "20260301066200020000976054", OutTradeNo: "ORD_0001", PayType: "800101", OrderType: "payment", TxAmt: "2500", TxCurrCd: "HKD",
		TxDtm: "2026-03-01 08:00:00", SysDtm: "2026-03-01 08:00:03", RespCd: "1145", ErrMsg: "(1145)", Cancel: "0", ChnlSn: "C", Body: oneRow,
	}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	sent := g.received()[0]
	asked := map[string][]string{
		"mchid": {"M1"}, "out_trade_no": {"ORD_0001"}, "start_time": {"2026-03-01 00:00:00"}, "end_time": {"2026-03-31 23:59:59"},
		"page": {"1"}, "page_size": {"100"},
	}
	if diff := cmp.Diff(asked, map[string][]string(sent.form)); diff != "" || sent.path != "/trade/v1/query" {
		t.Error(sent.path, diff)
	}
}

func TestQuery_EveryAnswerIsRead(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		why, body string
		rows      int
		want      string
	}{
		{"two rows of one number", rows(oneRow, strings.Replace(oneRow, "1145", "0000", 1)), 2, "ok"},
		{"none", rows(), 0, "ok"},
		{"too long", rows(oneRow) + strings.Repeat(" ", maxRows), 0, "unanswered bad_answer"},
		// "Absent" is QFPay's own word: an empty list, 1136 or 1268, and nothing else.
		{"no data at all", `{"respcd":"0000"}`, 0, "unanswered bad_answer"},
		{"data is null", `{"respcd":"0000","data":null}`, 0, "unanswered bad_answer"},
		{"data is empty text", `{"respcd":"0000","data":""}`, 0, "unanswered bad_answer"},
		{"rows under another name", `{"respcd":"0000","list":[` + oneRow + `]}`, 0, "unanswered bad_answer"},
		{"no rows under another name", `{"respcd":"0000","rows":[]}`, 0, "unanswered bad_answer"},
		{"one row without a list", `{"respcd":"0000","data":` + oneRow + `}`, 1, "ok"},
		{"a list in an object", `{"respcd":"0000","data":{"list":[` + oneRow + `]}}`, 0, "unanswered bad_answer"},
		{"only the row has a respcd", `{"data":` + strings.Replace(oneRow, "1145", "1268", 1) + `}`, 0, "unanswered bad_answer"},
		{"unquoted 0000, as the page prints it", `{"respcd": 0000, "data": []}`, 0, "ok"},
		{"does not exist", `{"respcd":"1136"}`, 0, "ok"},
		{"does not exist, the other code", `{"respcd":"1268"}`, 0, "ok"},
		{"another order", rows(strings.Replace(oneRow, "ORD_0001", "ORD_00010", 1)), 0, "unanswered bad_answer"},
		{"another order beside it", rows(oneRow, strings.Replace(oneRow, "ORD_0001", "ORD_00010", 1)), 1, "ok"},
		{"a refund", rows(strings.Replace(oneRow, `"payment"`, `"refund"`, 1)), 0, "unanswered bad_answer"},
		{"a close beside it", rows(oneRow, strings.Replace(oneRow, `"payment"`, `"close"`, 1)), 1, "ok"},
		{"an unknown order_type", rows(strings.Replace(oneRow, `"payment"`, `"mpm_trade"`, 1)), 1, "ok"},
		{"order_type in capitals", rows(strings.Replace(oneRow, `"payment"`, `"PAYMENT"`, 1)), 1, "ok"},
		{"out_trade_no in lower case", rows(strings.Replace(oneRow, "ORD_0001", "ord_0001", 1)), 1, "ok"},
		{"chnlsn is false, sysdtm a list", rows(strings.NewReplacer(`"C"`, `false`, `"2026-03-01 08:00:03"`, `[]`).Replace(oneRow)), 1, "ok"},
		{"no order_type", rows(strings.Replace(oneRow, `"payment"`, `""`, 1)), 1, "ok"},
		{"signature error", `{"respcd":"1108"}`, 0, "refusal hold"},
		{"parameter error", `{"respcd":"1104"}`, 0, "refusal refused"},
		{"maintenance", `{"respcd":"1100"}`, 0, "refusal busy"},
		{"a row without a number", rows(oneRow, `{"respcd":"0000"}`), 0, "unanswered bad_answer"},
		{"a row that is no object", rows(`1`), 0, "unanswered bad_answer"},
		{"a row that is null", rows(`null`), 0, "unanswered bad_answer"},
		{"a field that is no scalar", rows(strings.Replace(oneRow, `"cancel":0`, `"cancel":{}`, 1)), 0, "unanswered bad_answer"},
		{"data is an empty object", `{"respcd":"0000","data":{}}`, 0, "unanswered bad_answer"},
		{"no JSON", `<html>`, 0, "unanswered bad_answer"},
		{"a page of 90 KB", rows(strings.Replace(oneRow, "(1145)", strings.Repeat("x", 90<<10), 1)), 1, "ok"},
	} {
		t.Run(tc.why, func(t *testing.T) {
			_, c := newGateway(t, says(tc.body))
			got, err := c.Query(t.Context(), []string{"ORD_0001"}, march)
			if kind(err) != tc.want || len(got) != tc.rows {
				t.Errorf("%s, %d rows, want %s, %d: %v", kind(err), len(got), tc.want, tc.rows, err)
			}
		})
	}
}

// Rows that are all about other orders are no answer to a list of numbers either: none of it is
// absent.
func TestQuery_RowsOfOtherOrdersProveNothingOfAList(t *testing.T) {
	t.Parallel()
	_, c := newGateway(t, says(rows(oneRow)))
	if got, err := c.Query(t.Context(), []string{"ORD_0002", "ORD_0003"}, march); kind(err) != "unanswered bad_answer" || len(got) != 0 {
		t.Errorf("%d rows, %v", len(got), err)
	}
}

func TestQuery_PagesAreTurnedUntilAShortOne(t *testing.T) {
	t.Parallel()
	g, c := newGateway(t, pages(250, 100))
	got, err := c.Query(t.Context(), []string{"ORD_0001"}, march)
	if err != nil || len(got) != 250 || len(g.received()) != 3 {
		t.Errorf("%d rows, %d calls, %v", len(got), len(g.received()), err)
	}
}

// TestQuery_ASmallerPageIsBelieved: if a gateway gives fewer rows per page than requested, and
// says so, there are more pages.
func TestQuery_ASmallerPageIsBelieved(t *testing.T) {
	t.Parallel()
	_, c := newGateway(t, pages(25, 10))
	got, err := c.Query(t.Context(), []string{"ORD_0001"}, march)
	if err != nil || len(got) != 25 {
		t.Errorf("%d rows, %v", len(got), err)
	}
}

func TestQuery_NothingIsProvedWhenPagesDoNotTurnOrEnd(t *testing.T) {
	t.Parallel()
	same := strings.TrimSuffix(strings.Repeat(oneRow+",", 100), ",")
	g, c := newGateway(t, says(rows(same)))
	if _, err := c.Query(t.Context(), []string{"ORD_0001"}, march); kind(err) != "unanswered bad_answer" || len(g.received()) != 2 {
		t.Errorf("%d calls, %v", len(g.received()), err)
	}
	g, c = newGateway(t, pages(1<<20, 100))
	if _, err := c.Query(t.Context(), []string{"ORD_0001"}, march); kind(err) != "unanswered bad_answer" || len(g.received()) != maxPages+1 {
		t.Errorf("%d calls, %v", len(g.received()), err)
	}
}

// pages is a gateway with total rows, size a page.
func pages(total, size int) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		page, _ := strconv.Atoi(r.Form.Get("page"))
		var data []json.RawMessage
		for i := (page - 1) * size; i < min(page*size, total); i++ {
			data = append(data, json.RawMessage(strings.Replace(oneRow, "976054", fmt.Sprintf("%06d", i), 1)))
		}
		text, _ := json.Marshal(map[string]any{"respcd": "0000", "page_size": strconv.Itoa(size), "data": data})
		_, _ = w.Write(text)
	}
}

func TestQuery_ShortNumbersAreAskedForTogetherAndLongOnesAlone(t *testing.T) {
	t.Parallel()
	var numbers []string
	for i := range 4 {
		numbers = append(numbers, fmt.Sprintf("%040d_2", i))
	}
	for i := range 2 {
		numbers = append(numbers, fmt.Sprintf("%0*d_2", MaxOutTradeNo, i))
	}
	g, c := newGateway(t, says(rows()))
	months := []Month{{2025, time.December}, {2026, time.January}}
	if _, err := c.Query(t.Context(), numbers, months); err != nil {
		t.Fatal(err)
	}
	var batches, starts []string
	for _, r := range g.received() {
		field := r.form.Get("out_trade_no")
		if len(field) > 128 {
			t.Errorf("%d characters", len(field))
		}
		batches = append(batches, strconv.Itoa(1+strings.Count(field, ",")))
		starts = append(starts, r.form.Get("start_time")[:7])
	}
	if diff := cmp.Diff("3 3 1 1 1 1 1 1", strings.Join(batches, " ")); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff("2025-12 2026-01 2025-12 2026-01 2025-12 2026-01 2025-12 2026-01", strings.Join(starts, " ")); diff != "" {
		t.Error(diff)
	}
}

func TestQuery_AListOfNumbersFillsTheFieldAndNoMore(t *testing.T) {
	half := strings.Repeat("a", 64)
	for second, want := range map[string]int{half[:63]: 1, half: 2} { // 64+1+63 = 128
		if got := len(batches([]string{half, second})); got != want {
			t.Errorf("64 and %d characters: %d lists, want %d", len(second), got, want)
		}
	}
}

func TestQuery_ArgumentsThatWouldAskForSomethingElseAreRefused(t *testing.T) {
	t.Parallel()
	g, c := newGateway(t, says(rows()))
	for _, tc := range []struct {
		numbers []string
		months  []Month
	}{
		{nil, march},                                // everything
		{[]string{"a"}, nil},                        // the current month only
		{[]string{"a", ""}, march},                  // an empty element
		{[]string{"a,b"}, march},                    // two numbers
		{[]string{strings.Repeat("a", 129)}, march}, // does not fit
	} {
		_, err := c.Query(t.Context(), tc.numbers, tc.months)
		if _, ok := errors.AsType[FieldErrors](err); !ok {
			t.Errorf("%v %v: %v", tc.numbers, tc.months, err)
		}
	}
	if n := len(g.received()); n != 0 {
		t.Errorf("%d requests", n)
	}
}

func TestQuery_OneFailedCallFailsTheQuery(t *testing.T) {
	t.Parallel()
	_, c := newGateway(t, func(w http.ResponseWriter, r *http.Request) {
		if r.Form.Get("start_time")[:7] == "2026-02" {
			w.WriteHeader(http.StatusTooManyRequests)
			return
		}
		_, _ = io.WriteString(w, rows(oneRow))
	})
	got, err := c.Query(t.Context(), []string{"ORD_0001"}, []Month{{2026, time.March}, {2026, time.February}})
	if kind(err) != "throttled by gateway" || got != nil {
		t.Errorf("%v, %v", got, err)
	}
}
