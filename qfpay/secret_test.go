package qfpay

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"testing"
)

// everyWay prints v in every way that a program may use.
func everyWay(v any) string {
	var b bytes.Buffer
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d", "%t", "%08b", "%T"} {
		fmt.Fprintf(&b, verb+"\n", v)
	}
	text, _ := json.Marshal(v)
	b.Write(text)
	slog.New(slog.NewTextHandler(&b, nil)).Info("x", "v", v)
	slog.New(slog.NewJSONHandler(&b, nil)).Info("x", "v", v)
	return b.String()
}

// forms are the forms in which the test key could be printed.
func forms() []string {
	return []string{testKey, fmt.Sprintf("%x", testKey), fmt.Sprintf("%X", testKey), fmt.Sprintf("%d", []byte(testKey))}
}

func TestSecret_TheKeyCannotBePrinted(t *testing.T) {
	m := Merchant{Name: "default", Key: testKey}
	for _, v := range []any{m.Key, &m.Key, m, &m, []Secret{m.Key}, map[string]Secret{"key": m.Key}, &Client{Merchant: m}, Client{Merchant: m}} {
		text := everyWay(v)
		for _, form := range forms() {
			if strings.Contains(text, form) {
				t.Errorf("%T prints the key", v)
			}
		}
	}
	if got := fmt.Sprint(m.Key); got != "[secret]" {
		t.Error(got)
	}
}

// TestSecret_NoErrorShowsTheKey makes every kind of error and prints it in every way.
func TestSecret_NoErrorShowsTheKey(t *testing.T) {
	t.Parallel()
	answers := []string{`{"respcd":"1108"}`, `{"respcd":"0000"}`, `<html>`, createdBody("ORD_0001", "X"), "#429", "#404", "#502", "#cut"}
	var errs []error
	for _, answer := range answers {
		_, c := newGateway(t, func(w http.ResponseWriter, _ *http.Request) {
			switch answer {
			case "#429", "#404", "#502":
				w.WriteHeader(map[string]int{"#429": 429, "#404": 404, "#502": 502}[answer])
			case "#cut":
				w.Header().Set("Content-Length", "100")
			default:
				_, _ = io.WriteString(w, answer)
			}
		})
		c.Verify = VerifyStrict
		c.OnCall = func(call Call) { errs = append(errs, errors.New(everyWay(call))) }
		_, err := c.CreatePayment(t.Context(), testOrder(), nil)
		errs = append(errs, err)
		_, err = c.Query(t.Context(), []string{"a"}, march)
		errs = append(errs, err)
		_, err = c.Close(t.Context(), testOrder(), nil)
		errs = append(errs, err)
		c.Merchant.BaseURL = "http://127.0.0.1:0"
		_, err = c.CreatePayment(t.Context(), testOrder(), nil)
		errs = append(errs, err)
	}
	for _, err := range errs {
		text := everyWay(err)
		for _, form := range forms() {
			if strings.Contains(text, form) {
				t.Errorf("%T shows the key", err)
			}
		}
		if strings.Contains(text, SHA256.Sign(testOrder().params(), testKey)) {
			t.Errorf("%T shows the signature", err)
		}
	}
}

func TestErrors_EveryErrorSaysAllThatIsKnown(t *testing.T) {
	cause := errors.New("no route")
	for _, row := range []struct {
		err  error
		want string
	}{
		{&Refusal{Endpoint: "payment", RespCd: "1102", RespErr: "dup", RespMsg: "x"}, "qfpay: payment: respcd 1102 (duplicate request): dup x"},
		{&Throttled{Endpoint: "query", ByGateway: true}, "qfpay: query: throttled by the gateway (HTTP 429), retry after 0s"},
		{&Throttled{Endpoint: "query"}, "qfpay: query: throttled by the limiter, retry after 0s"},
		{&NotSent{Endpoint: "close", Err: cause}, "qfpay: close: not sent: no route"},
		{&Unanswered{Endpoint: "payment", Reason: "reset", Err: cause}, "qfpay: payment: sent, and no answer came (reset): no route"},
		{&Unanswered{Endpoint: "payment", Reason: "http_403", HTTPStatus: 403, Err: errors.New("HTTP 403"), Body: []byte("<html>\n<b>Blocked\x00")},
			`qfpay: payment: answered, but not what became of the call (http_403): HTTP 403; the answer begins "<html> <b>Blocked"`},
		{&Unanswered{Endpoint: "payment", Reason: "bad_answer", HTTPStatus: 200, Err: errors.New("cut"), Body: []byte(`{"qrcode": "https://qr.alipay.com/bax`)},
			`qfpay: payment: answered, but not what became of the call (bad_answer): cut; the answer begins "{\"qrcode\": \"…"`},
		{&Unanswered{Endpoint: "query", Reason: "http_502", HTTPStatus: 502, RespCd: "1205", RespErr: "later\n", Err: errors.New("HTTP 502")},
			"qfpay: query: answered, but not what became of the call (http_502): HTTP 502: respcd 1205 (failed, try again later): later"},
		{FieldErrors{{"txamt", "0", "must be more"}, {"udid", "", "is required"}}, `txamt: must be more (got "0"); udid: is required`},
	} {
		if row.err.Error() != row.want {
			t.Errorf("%s, want %s", row.err, row.want)
		}
	}
	if !errors.Is(&NotSent{Err: cause}, cause) || !errors.Is(&Unanswered{Err: cause}, cause) {
		t.Error("the cause is lost")
	}
}
