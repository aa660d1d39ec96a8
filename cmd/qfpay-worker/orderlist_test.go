package main

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/redis/go-redis/v9"

	"github.com/qfpay-worker/qfpay-worker/internal/redistest"
	"github.com/qfpay-worker/qfpay-worker/worker/inspect"
)

// mixedOrders writes orders of every kind that a list tells apart.
func mixedOrders(t *testing.T, rdb *redis.Client) {
	t.Helper()
	created := result("A1")
	created.QRExpires = "2026-03-01T04:30:00.000Z"
	settledOrder(t, rdb, created)
	set(t, rdb, "default:A1", "payment", "open")
	settledOrder(t, rdb, unresolved("A2"))
	expired := unresolved("A3")
	expired.Merchant, expired.ID, expired.Outcome, expired.Reason = "shop", "shop:A3", "expired", "deadline passed before it could be created"
	settledOrder(t, rdb, expired)
	set(t, rdb, "shop:A3", "batch", "autumn", "settled_at", time.Now().UnixMilli())
	journal(t, rdb, "default:B1")
	journal(t, rdb, "shop:B2", "state", "SENT", "deferred_for", "doubt", "batch", "autumn", "accepted_at", time.Now().UnixMilli())
	journal(t, rdb, "default:B3", "creates_sent", "many")
	aside(t, rdb, "default:B3")
	set(t, rdb, "default:A2_2", "state", "RESERVED")
	if err := rdb.Set(t.Context(), "{qfpay}:order:default:text", "x", 0).Err(); err != nil {
		t.Fatal(err)
	}
}

// aside puts an order aside, as workers do with a damaged journal.
func aside(t *testing.T, rdb *redis.Client, id string) {
	t.Helper()
	rdb.ZRem(t.Context(), "{qfpay}:due", id)
	if err := rdb.ZAdd(t.Context(), "{qfpay}:damaged", redis.Z{Score: 1, Member: id}).Err(); err != nil {
		t.Fatal(err)
	}
}

// listed returns the ids that a list prints as JSON, in the sequence of their names.
func listed(t *testing.T, out string) (ids []string) {
	t.Helper()
	for line := range strings.Lines(out) {
		var l inspect.Listed
		if err := json.Unmarshal([]byte(line), &l); err != nil {
			t.Fatalf("%v: %s", err, line)
		}
		ids = append(ids, l.ID)
	}
	slices.Sort(ids)
	return ids
}

func TestOrderList_FiltersByWhatIsKnown(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	mixedOrders(t, server.Client(t))
	for args, want := range map[string]string{
		"":                                       "default:A1 default:A2 default:B1 default:B3 shop:A3 shop:B2",
		"--outcome created":                      "default:A1",
		"--outcome=unresolved,expired":           "default:A2 shop:A3",
		"--outcome unresolved --outcome=expired": "default:A2 shop:A3",
		"--outcome Unresolved --merchant shop":   "",
		"--state NEW":                            "default:B1",
		"--state waiting":                        "default:B1 shop:B2",
		"--state damaged":                        "default:B3",
		"--state done":                           "default:A1 default:A2 shop:A3",
		"--state waiting,done":                   "default:A1 default:A2 default:B1 shop:A3 shop:B2",
		"--payment open":                         "default:A1",
		"--payment paid,expired,closed":          "",
		"--payment open --state waiting":         "",
		"--merchant shop":                        "shop:A3 shop:B2",
		"--batch autumn":                         "shop:A3 shop:B2",
		"--batch autumn --state waiting":         "shop:B2",
		"--since 24h":                            "shop:A3 shop:B2",
		"--since 1d --state waiting":             "shop:B2",
		"--since 2026-03-01T04:00:02Z":           "default:A1 default:A2 shop:A3 shop:B2",
		"--since 2026-03-01":                     "default:A1 default:A2 default:B1 default:B3 shop:A3 shop:B2",
	} {
		got := command(t, []string{"REDIS_URL=" + server.URL}, append([]string{"order", "list", "--format=json"}, strings.Fields(args)...)...)
		if d := cmp.Diff(strings.Fields(want), listed(t, got.out)); d != "" && want+got.out != "" || got.code != exitDone {
			t.Errorf("%s: %+v\n%s", args, got, d)
		}
		if none := "no order matches\n"; want == "" && got.err != none {
			t.Errorf("%s: %q, want %q", args, got.err, none)
		}
	}
}

func TestOrderList_TableIsSortedByTimeAndSaysWhy(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	mixedOrders(t, server.Client(t))
	got := command(t, []string{"REDIS_URL=" + server.URL}, "order", "list", "--state", "NEW,DONE,damaged", "--merchant", "default")
	want := "order              state       since                      pay_type  txamt        batch\n" +
		"B1                 NEW         2026-03-01T04:00:00Z       801501    HKD 1250\n" +
		"B3                 damaged     2026-03-01T04:00:00Z       801501    HKD 1250\n" +
		"  its journal is damaged; mend it, then order retry\n" +
		"A1                 created     2026-03-01T04:00:04Z       801501    HKD 1250\n" +
		"  QR code until 2026-03-01T04:30:00.000Z\n" +
		"A2                 unresolved  2026-03-01T04:00:04Z       801501    HKD 1250\n" +
		"  stands unpaid at QFPay, and its QR code is lost\n"
	if d := cmp.Diff(want, got.out); d != "" || got.code != exitDone || got.err != "" {
		t.Errorf("%+v\n%s", got, d)
	}
}

// More orders than are kept to be sorted are printed as they are found.
func TestOrderList_PrintsEachOfManyOnce(t *testing.T) {
	t.Parallel()
	var out lockedBuffer
	p := newOrderPrinter(stdio{out: &out}, "json")
	for n := range sortedOrders + 1234 {
		if err := p.add(inspect.Listed{ID: fmt.Sprintf("default:M%05d", n), AcceptedAt: time.UnixMilli(1772337600000 - int64(n))}); err != nil {
			t.Fatal(err)
		}
	}
	if err := p.end(); err != nil {
		t.Fatal(err)
	}
	if ids := slices.Compact(listed(t, out.String())); len(ids) != sortedOrders+1234 {
		t.Errorf("%d orders", len(ids))
	}
	if first, _, _ := strings.Cut(out.String(), "\n"); !strings.Contains(first, fmt.Sprintf("default:M%05d", sortedOrders-1)) {
		t.Errorf("the oldest of the first %d is not first: %s", sortedOrders, first)
	}
}

func TestOrderRetry_ReopensWhatTheFilterMatches(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	rdb := server.Client(t)
	mixedOrders(t, rdb)
	env := []string{"REDIS_URL=" + server.URL}
	dry := command(t, env, "order", "retry", "--outcome=unresolved,expired", "--dry-run")
	if lines := strings.Split(dry.out, "\n"); len(lines) != 3 || !strings.Contains(dry.out, "default:A2 would be retried: unresolved; stands unpaid at QFPay, and its QR code is lost\n") ||
		!strings.HasPrefix(dry.err, "2 would be retried") || dry.code != exitDone {
		t.Errorf("--dry-run: %+v", dry)
	}
	got := command(t, env, "order", "retry", "--batch=autumn")
	if want := (ended{exitDone, "shop:A3 was expired and is open again (state SENT): QFPay is queried first for its order number\n", "1 are open again\n"}); got != want {
		t.Errorf("a batch: %+v, want %+v", got, want)
	}
	if got := command(t, env, "order", "retry", "--outcome=created"); got.code != exitInput || !strings.Contains(got.err, "it is created, and its QR code published") {
		t.Errorf("created: %+v", got)
	}
	if got := command(t, env, "order", "retry", "--state=damaged"); got.code != exitInput || !strings.Contains(got.err, "its journal is still damaged") {
		t.Errorf("damaged: %+v", got)
	}
	set(t, rdb, "default:B3", "creates_sent", 0)
	if got := command(t, env, "order", "retry", "--state=damaged"); got.code != exitDone || !strings.Contains(got.out, "default:B3 was put aside as damaged, and goes on") {
		t.Errorf("mended: %+v", got)
	}
	if got := command(t, env, "order", "retry", "--merchant=nobody"); got != (ended{exitDone, "", "no order matches\n"}) {
		t.Errorf("nothing: %+v", got)
	}
}

func TestOrderList_BadFiltersAreRefusedWithNothingDone(t *testing.T) {
	t.Parallel()
	for args, says := range map[string]string{
		"list --outcome paid":                     "--outcome: must be created, rejected, expired, unresolved or cancelled, not \"paid\"",
		"list --state open":                       "--state: must be NEW, SENT, CLOSING, DONE, damaged or waiting",
		"list --merchant a:b":                     "--merchant: must be 1 to 64 letters",
		"list --batch a:b":                        "--batch: must be 1 to 64 letters",
		"list --since yesterday":                  "--since: must be a time as RFC 3339, a date such as 2026-03-01 (UTC), or a duration",
		"list --since=-3h":                        "--since: must be",
		"list --format csv":                       "--format: must be table or json",
		"retry":                                   "give an out_trade_no, or filters",
		"retry A1 --outcome unresolved":           "give either one out_trade_no or filters",
		"retry A1 --dry-run":                      "give either one out_trade_no or filters",
		"retry --outcome unresolved --deadline x": "--deadline: must be a time",
	} {
		got := command(t, []string{"REDIS_URL=redis://127.0.0.1:1"}, append([]string{"order"}, strings.Fields(args)...)...)
		if got.code != exitInput || got.out != "" || !strings.Contains(got.err, says) {
			t.Errorf("%s: %+v, want %q", args, got, says)
		}
	}
}
