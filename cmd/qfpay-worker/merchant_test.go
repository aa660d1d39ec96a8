package main

import (
	"strings"
	"testing"
	"time"

	"github.com/qfpay-worker/qfpay-worker/internal/redistest"
)

// Whoever pauses a merchant learns what is in force, by name, and so does whoever looks later.
func TestMerchant_IsPausedAndResumed(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	rdb := server.Client(t)
	env := []string{"REDIS_URL=" + server.URL}
	journal(t, rdb, "shop:A1", "deferred_for", "paused", "not_before", time.Now().Add(time.Hour).UnixMilli())
	steps := []struct {
		args string
		code int
		says []string // in this order; "…" stands before what it prints on stderr
	}{
		{"pause shop", 2, []string{"no worker runs", "merchant shop", "--force"}},
		{"pause shop --pay-type 801501 --by=ann --force", 0, []string{"shop: paused: pay type 801501, since 20", "by ann\n"}},
		{"RUNNING", 0, nil},
		{"pause shopp", 2, []string{"no running worker has the merchant shopp; they have: cafe, shop\n"}},
		{"pause sh*p", 2, []string{"must be 1 to 64 letters"}},
		{"pause shop --pay-type alipay", 2, []string{"--pay-type", "must be one of 800101, 801501"}},
		{"pause shop --pay-type 801501 --by bob", 0, []string{"shop: was paused before: pay type 801501, since 20", "by ann\n"}},
		{"pause shop --by bob", 0, []string{"shop: paused: all pay types, since 20", "by bob\n"}},
		{"list", 0, []string{"merchant  worker   waiting  paused\n", "cafe      running  0", "shop      running  1        all pay types, since 20", "by bob\n",
			"                            pay type 801501, since 20", "by ann\n"}},
		{"list --format json", 0, []string{`{"merchant":"cafe","running":true,"waiting":0,"pauses":[]}`, `{"merchant":"shop","running":true,"waiting":1,"pauses":[{"merchant":"shop","since":"20`, `"by":"bob"}`}},
		{"SHOW", 0, []string{"due           in ", ", not before 20", "paused        all pay types, since 20", "by bob\n", "paused        pay type 801501, since 20"}},
		{"resume shop", 0, []string{"shop: resumed; waiting orders: 1\n", "shop: still paused: pay type 801501, since 20"}},
		{"resume shop", 0, []string{"shop: was not paused\n"}},
		{"resume shop --pay-type 801501", 0, []string{"shop, pay type 801501: resumed"}},
		{"list --format table", 0, []string{"shop      running  1\n"}},
		{"pause cafe", 0, []string{"cafe: paused: all pay types", "@"}},
	}
	for _, s := range steps {
		args := append([]string{"merchant"}, strings.Fields(s.args)...)
		switch s.args {
		case "RUNNING":
			till := time.Now().Add(time.Hour).UnixMilli()
			if err := rdb.HSet(t.Context(), "{qfpay}:merchants", "shop", till, "cafe", till, "gone", 1).Err(); err != nil {
				t.Fatal(err)
			}
			continue
		case "SHOW":
			args = []string{"order", "show", "A1", "--merchant", "shop"}
		}
		got := command(t, env, args...)
		all := got.out + got.err
		if got.code != s.code {
			t.Errorf("%s: exit code %d\n%s", s.args, got.code, all)
		}
		for _, want := range s.says {
			at := strings.Index(all, want)
			if at < 0 {
				t.Errorf("%s: %q is missing in\n%s", s.args, want, got.out+got.err)
				break
			}
			all = all[at+len(want):]
		}
	}
	if got := command(t, env, "order", "show", "A1", "--merchant", "shop", "--format", "json"); strings.Contains(got.out, "pauses") {
		t.Errorf("nothing is paused: %s", got.out)
	}
}
