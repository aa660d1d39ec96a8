package qfpay_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"time"

	"github.com/qfpay-worker/qfpay-worker/qfpay"
)

// gateway replaces QFPay: it gives every call the same answer.
func gateway(answer string) *httptest.Server {
	return httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, answer)
	}))
}

func client(s *httptest.Server) *qfpay.Client {
	return &qfpay.Client{
		Merchant: qfpay.Merchant{Name: "shop", BaseURL: s.URL, AppCode: "A6A49A66B4C", Key: "not a real key", SignType: qfpay.SHA256},
		HTTP:     s.Client(),
		Timeout:  10 * time.Second,
	}
}

var order = qfpay.Order{
	OutTradeNo: "ORD_0001", PayType: qfpay.AlipayHK, TxAmt: 2500, TxCurrCd: "HKD", TxDtm: "2026-03-01 08:00:00", GoodsName: "Food",
}

func ExampleClient_CreatePayment() {
	s := gateway(`{"respcd": "0000", "out_trade_no": "ORD_0001", "txamt": "2500", "txcurrcd": "HKD",
		"syssn": "20260301066200020000976054", "qrcode": "https://qr.alipay.com/bax03190uxd47wbekffy6033"}`)
	defer s.Close()

	if err := order.Validate(); err != nil {
		fmt.Println(err)
		return
	}
	payment, err := client(s).CreatePayment(context.Background(), order, func(context.Context) error {
		fmt.Println("write down that ORD_0001 is about to be sent")
		return nil
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(payment.Syssn, payment.QRCode)
	// Output:
	// write down that ORD_0001 is about to be sent
	// 20260301066200020000976054 https://qr.alipay.com/bax03190uxd47wbekffy6033
}

// The type of the error says what is certain, and so what may be done next.
func ExampleClient_CreatePayment_errors() {
	for _, answer := range []string{
		`{"respcd": "1104", "resperr": "txamt(1104)"}`,
		`{"respcd": "1102", "resperr": "(1102)"}`,
		`<html>nobody home</html>`,
	} {
		s := gateway(answer)
		_, err := client(s).CreatePayment(context.Background(), order, nil)
		s.Close()
		if refusal, ok := errors.AsType[*qfpay.Refusal](err); ok {
			fmt.Println(refusal.RespCd, refusal.RespCd.Meaning(), "-", refusal.Class)
		}
		if unanswered, ok := errors.AsType[*qfpay.Unanswered](err); ok {
			fmt.Println(unanswered.Reason, "- query before anything else")
		}
	}
	// Output:
	// 1104 parameter error - refused
	// 1102 duplicate request - doubt
	// bad_answer - query before anything else
}

func ExampleClient_Query() {
	s := gateway(`{"respcd": "0000", "data": [
		{"out_trade_no": "ORD_0001", "order_type": "payment", "txamt": 2500, "txcurrcd": "HKD", "respcd": "1145", "cancel": "0"}]}`)
	defer s.Close()

	sent := time.Date(2026, 3, 1, 0, 5, 0, 0, qfpay.Zone)
	months := qfpay.MonthsAround(sent, sent.Add(time.Minute))
	records, err := client(s).Query(context.Background(), []string{order.OutTradeNo}, months[1:])
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(months)
	for _, r := range records {
		fmt.Println(r.OutTradeNo, r.Standing(), r.Matches(order))
	}
	// Output:
	// [{2026 February} {2026 March}]
	// ORD_0001 unpaid true
}

func ExampleOrder_Validate() {
	err := qfpay.Order{OutTradeNo: "ORD,1", PayType: qfpay.FPS, TxAmt: 2500, TxCurrCd: "CNY"}.Validate()
	if errs, ok := errors.AsType[qfpay.FieldErrors](err); ok {
		for _, e := range errs {
			fmt.Println(e)
		}
	}
	// Output:
	// out_trade_no: must be 1 to 124 characters of A-Z a-z 0-9 _ - (got "ORD,1")
	// txcurrcd: must be HKD for pay_type 802001 (got "CNY")
}

func ExampleParams_Canonical() {
	p := qfpay.Params{"txamt": "2500", "goods_name": "珍珠奶茶", "udid": ""}
	fmt.Println(p.Canonical())
	// Output: goods_name=珍珠奶茶&txamt=2500
}
