package simulator

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"syscall"
	"testing"
	"time"
)

// onPort serves g on a port until the test ends, and returns a transport for it.
func onPort(t *testing.T, g *Gateway) (*httptest.Server, *http.Transport) {
	t.Helper()
	server := httptest.NewServer(g)
	transport := &http.Transport{DisableKeepAlives: true}
	t.Cleanup(func() { transport.CloseIdleConnections(); server.CloseClientConnections(); server.Close() })
	return server, transport
}

func TestPort_FaultsAreThoseOfAWire(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		fault Fault
		as    func(reply, error) bool
		held  State
	}{
		{"reset", func(_ reply, err error) bool { return errors.Is(err, syscall.ECONNRESET) }, ""},
		{"reset_after", func(_ reply, err error) bool { return errors.Is(err, syscall.ECONNRESET) }, Created},
		{"drop", func(_ reply, err error) bool { return errors.Is(err, io.EOF) }, ""},
		{"drop_after", func(_ reply, err error) bool { return errors.Is(err, io.EOF) }, Created},
		{"unreachable", func(_ reply, err error) bool { return errors.Is(err, io.EOF) }, ""},
		{"truncated", func(r reply, err error) bool {
			return errors.Is(err, io.ErrUnexpectedEOF) && strings.HasPrefix(r.raw, `{"surcharge_fee"`)
		}, Created},
		{"http_502_after", func(r reply, err error) bool {
			return err == nil && r.status == 502 && strings.Contains(r.raw, "nginx")
		}, Created},
		{"html", func(r reply, err error) bool {
			return err == nil && r.status == 200 && r.header.Get("Content-Type") == "text/html"
		}, ""},
	} {
		t.Run(string(test.fault), func(t *testing.T) {
			g := New(Config{Faults: Faults{test.fault: 1}})
			server, transport := onPort(t, g)
			r, err := do(transport, form(t.Context(), server.URL, "payment", order("A1")))
			if !test.as(r, err) || state(g, "A1") != test.held {
				t.Errorf("%v, %d %s; held %q", err, r.status, r.raw, state(g, "A1"))
			}
		})
	}
}

func TestPort_ALateOrderLandsAfterItsCallerHasGone(t *testing.T) {
	t.Parallel()
	arrived := make(chan struct{})
	g := New(Config{Late: time.Hour})
	g.Choose(func(Call) Fault { close(arrived); return "land_late" })
	server, transport := onPort(t, g)
	ctx, giveUp := context.WithCancel(t.Context())
	go func() { <-arrived; giveUp() }()
	if _, err := do(transport, form(ctx, server.URL, "payment", order("A1"))); !errors.Is(err, context.Canceled) {
		t.Fatal(err)
	}
	if len(g.Orders()) != 0 {
		t.Error("there before it was due")
	}
	g.Advance(time.Hour)
	if state(g, "A1") != Created {
		t.Error("never landed")
	}
}

func TestPort_AChunkedCreateIsRefused(t *testing.T) {
	t.Parallel()
	g := New(Config{})
	server, transport := onPort(t, g)
	r := form(t.Context(), server.URL, "payment", order("A1"))
	r.ContentLength = -1
	if got, err := do(transport, r); err != nil || got.status != http.StatusLengthRequired || len(g.Orders()) != 0 {
		t.Error(err, got.status)
	}
}

func TestPort_HeaderNamesAreTakenInAnyCaseAndSpacesRaw(t *testing.T) {
	t.Parallel()
	g := New(Config{})
	server, _ := onPort(t, g)
	conn, err := net.Dial("tcp", server.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	// Written by hand, because net/http would correct the header names.
	p := order("A1")
	body := "out_trade_no=A1&pay_type=800101&txamt=300&txcurrcd=HKD&txdtm=2026-03-10 12:00:00"
	fmt.Fprintf(conn, "POST /trade/v1/payment HTTP/1.1\r\nhost: x\r\ncontent-type: application/x-www-form-urlencoded;charset=UTF-8\r\n"+
		"content-length: %d\r\nx-qf-appcode: %s\r\nX-Qf-sIGN: %s\r\nx-qf-signtype: MD5\r\n\r\n%s",
		len(body), SampleAppCode, strings.ToLower(digest("MD5", canonical(p), SampleKey)), body)
	response, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	if answer, _ := io.ReadAll(response.Body); !strings.Contains(string(answer), `"respcd": "0000"`) {
		t.Error(string(answer))
	}
}
