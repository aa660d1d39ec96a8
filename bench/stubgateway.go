package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"runtime"
	"time"

	"github.com/qfpay-worker/qfpay-worker/qfpay"
	"github.com/qfpay-worker/qfpay-worker/qfpay/simulator"
)

// stubGatewayCmd is a gateway that accepts every create and stores nothing. The simulator checks
// and records every call, which would take CPU time from the measured processes.
type stubGatewayCmd struct {
	Addr    string        `required:"" help:"host:port to listen on."`
	Latency time.Duration `help:"How long each answer takes."`
}

// Run answers until ctx ends.
func (c *stubGatewayCmd) Run(ctx context.Context) error {
	runtime.GOMAXPROCS(1)
	listener, err := net.Listen("tcp", c.Addr)
	if err != nil {
		return err
	}
	defer context.AfterFunc(ctx, func() { listener.Close() })()
	for serial := 0; ; serial++ {
		conn, err := listener.Accept()
		if ctx.Err() != nil {
			return nil
		}
		if err != nil {
			return err
		}
		go c.serve(conn, serial)
	}
}

// serve answers the requests of one connection, one after the other. net/http's server would also
// watch each connection for its end, at twice the cost.
func (c *stubGatewayCmd) serve(conn net.Conn, serial int) {
	defer conn.Close()
	in := bufio.NewReader(conn)
	for n := 0; ; n++ {
		r, err := http.ReadRequest(in)
		if err != nil {
			return // the client has disconnected
		}
		due := time.Now().Add(c.Latency)
		r.ParseForm()
		body := yes(r.PostForm, fmt.Sprintf("20260101000200%06d%06d", serial, n))
		time.Sleep(time.Until(due))
		fmt.Fprintf(conn, "HTTP/1.1 200 OK\r\nContent-Type: application/json; charset=UTF-8\r\nContent-Length: %d\r\nX-QF-SIGN: %s\r\n\r\n%s",
			len(body), qfpay.MD5.SignText(body, simulator.SampleKey), body)
	}
}

// yes returns the answer to a create, with the values of the request, as in the MPM page's sample.
func yes(f url.Values, syssn string) []byte {
	body, err := json.Marshal(map[string]string{
		"respcd": "0000", "resperr": "success", "respmsg": "",
		"out_trade_no": f.Get("out_trade_no"), "pay_type": f.Get("pay_type"), "txamt": f.Get("txamt"),
		"txcurrcd": f.Get("txcurrcd"), "txdtm": f.Get("txdtm"), "sysdtm": qfpay.FormatDateTime(time.Now()),
		"syssn": syssn, "qrcode": "https://qr.example/" + f.Get("out_trade_no"),
	})
	if err != nil {
		panic(err) // a map of strings always marshals
	}
	return body
}
