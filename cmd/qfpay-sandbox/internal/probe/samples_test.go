package probe

import (
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/qfpay-worker/qfpay-worker/qfpay"
	"github.com/qfpay-worker/qfpay-worker/qfpay/simulator"
)

// printed answers in the words and forms that QFPay has printed and others have captured: the create
// of its MPM page, the row of an unpaid Alipay order, "out_trade_no is used" of live traffic in 2025,
// and the refused close of its own scripts of 2016. It owes nothing to the simulator.
type printed struct {
	sign    func(body string) (name, value string)
	created map[string]string // out_trade_no → time
}

// RoundTrip implements [http.RoundTripper].
func (g *printed) RoundTrip(r *http.Request) (*http.Response, error) {
	text, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, err
	}
	form, err := url.ParseQuery(string(text))
	if err != nil {
		return nil, err
	}
	body := g.answer(r.URL.Path[strings.LastIndexByte(r.URL.Path, '/')+1:], r.Header.Get("X-QF-SIGNTYPE"), form)
	answer := &http.Response{StatusCode: 200, Header: http.Header{"Content-Type": {"application/json; charset=UTF-8"}}, Body: io.NopCloser(strings.NewReader(body)), Request: r}
	if g.sign != nil {
		answer.Header.Set(g.sign(body))
	}
	return answer, nil
}

func (g *printed) answer(endpoint, signType string, form url.Values) string {
	number, now := form.Get("out_trade_no"), time.Now().In(qfpay.Zone).Format(qfpay.DateTimeLayout)
	switch endpoint {
	case "payment":
		switch {
		case signType == "SHA256":
			return `{"resperr": "\u7b7e\u540d\u9519\u8bef, signature error (1108)", "respcd": "1108", "respmsg": ""}`
		case g.created[number] != "":
			return `{"resperr": "Do not use duplicate out_trade_no (1251)", "respcd": "1251", "respmsg": "out_trade_no is used"}`
		}
		g.created[number] = now
		return fmt.Sprintf(`{"surcharge_fee": 0, "qrcode": "https://qr.alipay.com/bax03190uxd47wbekffy6033", "pay_type": "%s", "surcharge_rate": 0, "resperr": "success", "txdtm": "%s", "out_trade_no": "%s", "syssn": "%s", "sysdtm": "%s", "paydtm": "%s", "txcurrcd": "HKD", "respmsg": "OK", "chnlsn2": "", "cardcd": "", "udid": "qiantai2", "txamt": "%s", "respcd": "0000", "chnlsn": ""}`,
			form.Get("pay_type"), form.Get("txdtm"), number, "2026"+number, now, now, form.Get("txamt"))
	case "query":
		row := ""
		if at := g.created[number]; at != "" {
			row = fmt.Sprintf(`{"syssn": "%s", "out_trade_no": "%s", "txamt": "210", "txcurrcd": "", "txdtm": "%s", "sysdtm": "%s", "paydtm": "", "pay_type": "800101", "order_type": "payment", "respcd": "1145", "errmsg": "\u4ea4\u6613\u5904\u7406\u4e2d", "cancel": "0", "origssn": null}`, "2026"+number, number, at, at)
		}
		return `{"respcd": "0000", "resperr": "", "respmsg": "", "page": "1", "page_size": "100", "data": [` + row + `]}`
	}
	return fmt.Sprintf(`{"resperr":"(1146)","respcd":"1146","respmsg":"","syssn":"9%s","orig_syssn":"2026%s"}`, number, number)
}

func TestProbe_UnderstandsPrintedAndCapturedAnswers(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		time.Sleep(240 * time.Hour)
		g := &printed{created: map[string]string{}, sign: func(body string) (string, string) { // reference of 2018
			return "X-QF-SIGN", qfpay.MD5.SignText([]byte(body), simulator.SampleKey)
		}}
		p := proberOf(simulator.New(simulator.Config{}), qfpay.AlipayOverseas)
		p.Client.HTTP = &http.Client{Transport: g}
		if err := p.Run(t.Context()); err != nil {
			t.Fatal(err)
		}
		found := answers(Findings(p.Journal.Observations(), p.PayTypes), qfpay.AlipayOverseas)
		for q, want := range map[Question]Answer{
			OnSHA256: IsRefused, OnMD5: IsTaken, OnRepeat: IsRefused, OnClose: RefusedYoung, OnReversal: RefusedYoung, OnRow: IsShown, OnLag: AtOnce,
			OnSpace: IsTaken, OnUnderscore: IsTaken, OnHyphen: IsTaken, OnLong: IsTaken, OnURL: IsTaken, OnSignature: IsRight, OnURLUsed: NotAnswered,
		} {
			if f := found[q]; f.Answer != want {
				t.Errorf("%s: %s (%s), want %s", q, f.Answer, f.Evidence, want)
			}
		}
		if e := found[OnRepeat].Evidence; !strings.Contains(e, "1251 out_trade_no is used; the query shows 1") {
			t.Errorf("the evidence for a repeated number is %q", e)
		}
		if n := len(g.created); n != 2 {
			t.Errorf("%d orders where all is taken at once", n)
		}
	})
}
