package qfpay

import (
	"context"
	"errors"
	"net/http"
	"path"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const closedBody = `{"syssn":"S2","orig_syssn":"S1","txamt":"2500","respcd":"0000","resperr":"","respmsg":""}`

func TestClose_AnOrderIsClosedByTheWaysOfItsPayType(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		why     string
		payType PayType
		answers map[string]string // by endpoint; one that begins with # is an HTTP status
		asked   string
		want    string
	}{
		{"Alipay by reversal", AlipayOverseas, map[string]string{"reversal": closedBody}, "reversal", "ok"},
		{"AlipayHK by reversal", AlipayHK, map[string]string{"reversal": closedBody}, "reversal", "ok"},
		{"no second way for Alipay", AlipayHK, map[string]string{"reversal": `{"respcd":"1297"}`}, "reversal", "refusal not now"},
		{"WeChat by close", WeChat, map[string]string{"close": closedBody}, "close", "ok"},
		{"under way is no refusal", WeChat, map[string]string{"close": `{"respcd":"1145"}`}, "close", "ok"},
		{"under way, the other code", WeChat, map[string]string{"close": `{"respcd":"1143"}`}, "close", "ok"},
		{"WeChat by reversal when close is refused", WeChat, map[string]string{"close": `{"respcd":"1297"}`, "reversal": closedBody}, "close reversal", "ok"},
		{"no such path", WeChat, map[string]string{"close": "#404", "reversal": closedBody}, "close reversal", "ok"},
		{"both refuse", WeChat, map[string]string{"close": `{"respcd":"1146"}`, "reversal": `{"respcd":"1108"}`}, "close reversal", "refusal hold"},
		{"a paid order is not reversed", WeChat, map[string]string{"close": `{"respcd":"1260"}`}, "close", "refusal doubt"},
		{"nor a refunded one", WeChat, map[string]string{"close": `{"respcd":"1262"}`}, "close", "refusal doubt"},
		{"a closed one is closed", WeChat, map[string]string{"close": `{"respcd":"1142"}`}, "close", "refusal doubt"},
		{"an answer lost is no refusal", WeChat, map[string]string{"close": "#502"}, "close", "unanswered http_502"},
		{"nor is no quota", WeChat, map[string]string{"close": "#429"}, "close", "throttled by gateway"},
		{"nor is nonsense", WeChat, map[string]string{"close": "<html>"}, "close", "unanswered bad_answer"},
	} {
		t.Run(row.why, func(t *testing.T) {
			g, c := newGateway(t, func(w http.ResponseWriter, r *http.Request) {
				body := row.answers[path.Base(r.URL.Path)]
				if status, ok := strings.CutPrefix(body, "#"); ok {
					w.WriteHeader(map[string]int{"404": 404, "429": 429, "502": 502}[status])
					return
				}
				_, _ = w.Write([]byte(body))
			})
			intents := 0
			o := pay(row.payType, nil)
			closing, err := c.Close(t.Context(), o, func(context.Context) error { intents++; return nil })
			var asked []string
			for _, r := range g.received() {
				asked = append(asked, path.Base(r.path))
			}
			if diff := cmp.Diff(row.asked, strings.Join(asked, " ")); diff != "" {
				t.Error(diff)
			}
			if got := kind(err); got != row.want || intents != 1 {
				t.Errorf("%s, want %s, %d intents: %v", got, row.want, intents, err)
			}
			if err == nil && closing.Endpoint != asked[len(asked)-1] {
				t.Errorf("%+v", closing)
			}
		})
	}
}

func TestClose_TheRequestNamesItsOrder(t *testing.T) {
	t.Parallel()
	g, c := newGateway(t, says(closedBody))
	c.Merchant.MchID = "M1"
	got, err := c.Close(t.Context(), testOrder(), nil)
	if err != nil {
		t.Fatal(err)
	}
	want := Closing{Endpoint: "reversal", Syssn: "S2", OrigSyssn: "S1", RespCd: "0000", Body: []byte(closedBody)}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	form := map[string][]string{"mchid": {"M1"}, "out_trade_no": {"ORD_0001"}, "txamt": {"2500"}, "txdtm": {"2026-03-01 08:00:00"}}
	if diff := cmp.Diff(form, map[string][]string(g.received()[0].form)); diff != "" {
		t.Error(diff)
	}
}

func TestClose_OtherPayTypesAreNotClosable(t *testing.T) {
	t.Parallel()
	g, c := newGateway(t, says(closedBody))
	for _, p := range []PayType{PayMe, UnionPay, FPS, Octopus, "800108", ""} {
		intent := func(context.Context) error { t.Errorf("%s: intent", p); return nil }
		if _, err := c.Close(t.Context(), pay(p, nil), intent); !errors.Is(err, ErrNotClosable) {
			t.Errorf("%s: %v", p, err)
		}
	}
	if n := len(g.received()); n != 0 {
		t.Errorf("%d requests", n)
	}
}

func TestClose_AFailedIntentClosesNothing(t *testing.T) {
	t.Parallel()
	g, c := newGateway(t, says(closedBody))
	errJournal := errors.New("journal away")
	_, err := c.Close(t.Context(), pay(WeChat, nil), func(context.Context) error { return errJournal })
	if err != errJournal || len(g.received()) != 0 {
		t.Errorf("%v, %d requests", err, len(g.received()))
	}
}

// CloseBy asks one endpoint alone, also of a wallet for which QFPay documents none.
func TestCloseBy_AsksTheOneEndpoint(t *testing.T) {
	t.Parallel()
	for _, by := range []Endpoint{ByClose, ByReversal} {
		g, c := newGateway(t, func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte(`{"respcd":"1297"}`)) })
		_, err := c.CloseBy(t.Context(), by, pay(FPS, nil), nil)
		asked := g.received()
		if kind(err) != "refusal not now" || len(asked) != 1 || asked[0].path != "/trade/v1/"+string(by) {
			t.Errorf("%s: %v, asked %v", by, err, asked)
		}
	}
}
