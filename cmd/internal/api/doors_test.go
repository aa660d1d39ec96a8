package api

import (
	"encoding/json"
	"io"
	"net/http"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/qfpay-worker/qfpay-worker/tasks"
	"github.com/qfpay-worker/qfpay-worker/tasks/orderfile"
)

// door is an entry point for orders. give sends orders in turn, unchanged, and returns for each the
// reason of its refusal, or nothing if it was accepted.
type door struct {
	name string
	give func(r *rig, orders []string) []string
}

// doors are all entry points. A new one needs a line here.
var doors = []door{
	{"qfpay-worker enqueue", byFile},
	{"POST /v1/orders", byOne},
	{"POST /v1/orders, many", byLines},
	{"XADD {qfpay}:requests", byStream},
	{"XADD {qfpay}:requests, field by field", byFields},
}

// byFile works like the command enqueue: it reads rows, and enqueues the valid ones. The command
// itself is tested with the same orders elsewhere.
func byFile(r *rig, orders []string) (reasons []string) {
	rows := orderfile.NewRows(strings.NewReader(strings.Join(orders, "\n")))
	producer := tasks.NewProducer(r.rdb, keys)
	for {
		row, err := rows.Next()
		if err == io.EOF {
			return reasons
		}
		if err != nil {
			r.t.Fatal(err)
		}
		if row.Err == nil {
			_, row.Err = producer.Enqueue(r.t.Context(), row.Order)
		}
		reasons = append(reasons, reasonOf(row.Err))
	}
}

func reasonOf(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

func byOne(r *rig, orders []string) (reasons []string) {
	for _, order := range orders {
		got := r.post(order)
		if got.status == http.StatusAccepted {
			reasons = append(reasons, "")
			continue
		}
		reasons = append(reasons, into[problem](r.t, got.body).Detail)
	}
	return reasons
}

func byLines(r *rig, orders []string) (reasons []string) {
	for line := range strings.Lines(r.lines(strings.NewReader(strings.Join(orders, "\n"))).body) {
		answer := into[lineRead](r.t, line)
		if answer.Problem == nil {
			reasons = append(reasons, "")
		} else {
			reasons = append(reasons, answer.Problem.Detail)
		}
	}
	return reasons
}

// An order is the same at every entry point, and an invalid one is refused everywhere with the same
// text. A second entry point gets a duplicate, which shows that they agree on the content as well.
func TestDoors_RefuseTheSameInTheSameWords(t *testing.T) {
	t.Parallel()
	good, bad, want := ordersAtTheDoors(t)
	for _, behind := range []struct {
		what   string
		orders []string
		want   []string
	}{
		{"good", good, make([]string, len(good))},
		{"bad", bad, want},
		{"in conflict", []string{strings.Replace(good[0], `"txamt":100`, `"txamt":101`, 1)},
			[]string{(&tasks.ConflictError{ID: "default:GOOD-01", State: "NEW"}).Error()}},
	} {
		r := newRig(t)
		for _, o := range good[:1] {
			r.post(o)
		}
		for _, d := range doors {
			if diff := cmp.Diff(behind.want, d.give(r, behind.orders)); diff != "" {
				t.Errorf("%s, %s (-want +got):\n%s", d.name, behind.what, diff)
			}
		}
		accepted := len(r.rdb.Keys(t.Context(), keys.Order("*")).Val())
		if behind.what == "good" && accepted != len(good) || behind.what != "good" && accepted != 1 {
			t.Errorf("%s: %d orders have journals", behind.what, accepted)
		}
	}
}

// ordersAtTheDoors are the orders of package tasks: valid ones, and invalid ones with the reasons.
func ordersAtTheDoors(t *testing.T) (good, bad, reasons []string) {
	t.Helper()
	good = fileLines(t, "good.ndjson")
	fields := map[string]bool{}
	for _, line := range fileLines(t, "bad.ndjson") {
		var b struct{ Order, Reason string }
		if err := json.Unmarshal([]byte(line), &b); err != nil {
			t.Fatal(err)
		}
		bad, reasons = append(bad, b.Order), append(reasons, b.Reason)
		for reason := range strings.SplitSeq(b.Reason, "; ") {
			field, _, _ := strings.Cut(reason, ":")
			fields[field] = true
		}
	}
	if len(good) < 60 || len(bad) < 60 {
		t.Errorf("%d good and %d bad orders", len(good), len(bad))
	}
	for _, f := range tasks.Fields() {
		if !fields[f] {
			t.Errorf("no bad order is bad for its %s", f)
		}
		if !strings.Contains(strings.Join(good, ""), `"`+f+`":`) {
			t.Errorf("no good order has a %s", f)
		}
	}
	return good, bad, reasons
}

func fileLines(t *testing.T, name string) []string {
	t.Helper()
	b, err := os.ReadFile("../../../tasks/testdata/doors/" + name)
	if err != nil {
		t.Fatal(err)
	}
	return strings.Split(strings.TrimSpace(string(b)), "\n")
}
