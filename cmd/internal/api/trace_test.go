package api

import (
	"net/http"
	"strings"
	"testing"
)

func TestTrace_TraceparentInTheHeaderIsThatOfItsOrders(t *testing.T) {
	t.Parallel()
	const traceparent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
	r := newRig(t)
	send := func(contentType, body string, headers ...string) {
		req := r.request(http.MethodPost, "/v1/orders", contentType, strings.NewReader(body))
		for _, h := range headers {
			req.Header.Add("Traceparent", h)
		}
		if got := r.do(req); got.status >= http.StatusBadRequest || strings.Contains(got.body, "problem") {
			t.Errorf("%d %s", got.status, got.body)
		}
	}
	send(oneOrder, anOrder("T1"), traceparent)
	send(manyOrders, anOrder("T2")+"\n"+anOrder("T3")+"\n", traceparent)
	send(oneOrder, anOrder("T4"), "00-malformed")
	send(oneOrder, anOrder("T5"), traceparent, traceparent)
	send(oneOrder, anOrder("T6"))
	for no, want := range map[string]string{"T1": traceparent, "T2": traceparent, "T3": traceparent, "T4": "", "T5": "", "T6": ""} {
		if got := into[shown](t, r.get("/v1/orders/default/"+no).body).Traceparent; got != want {
			t.Errorf("%s: %q, want %q", no, got, want)
		}
		if there := r.rdb.HExists(t.Context(), keys.Order("default:"+no), "traceparent").Val(); there != (want != "") {
			t.Errorf("%s: it is in the journal: %t", no, there)
		}
	}
}
