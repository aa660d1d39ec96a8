package qfpay

import (
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
)

// transportFunc is a transport other than net/http's, without traces of headers.
type transportFunc func(*http.Request) (*http.Response, error)

func (f transportFunc) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// TestSend_AForeignTransportIsJudgedByTheBody: without traces from net/http, a call counts as
// sent when its body was read.
func TestSend_AForeignTransportIsJudgedByTheBody(t *testing.T) {
	errDown := errors.New("down")
	for want, transport := range map[string]transportFunc{
		"not sent": func(*http.Request) (*http.Response, error) { return nil, errDown },
		"unanswered broken": func(r *http.Request) (*http.Response, error) {
			_, _ = io.CopyN(io.Discard, r.Body, 1)
			return nil, errDown
		},
		"ok": func(r *http.Request) (*http.Response, error) {
			_, _ = io.Copy(io.Discard, r.Body)
			return &http.Response{StatusCode: 200, Body: io.NopCloser(strings.NewReader(createdBody()))}, nil
		},
	} {
		c := &Client{Merchant: Merchant{BaseURL: "http://gateway"}, HTTP: &http.Client{Transport: transport}}
		_, err := c.CreatePayment(t.Context(), testOrder(), nil)
		if got := kind(err); got != want {
			t.Errorf("%s, want %s: %v", got, want, err)
		}
	}
}

// TestSend_NothingCanMakeTheBodyAgain: with GetBody, net/http would send a second body,
// bypassing the gate, when a reused connection breaks early.
func TestSend_NothingCanMakeTheBodyAgain(t *testing.T) {
	c := &Client{Merchant: Merchant{BaseURL: "http://gateway"}, HTTP: &http.Client{Transport: transportFunc(func(r *http.Request) (*http.Response, error) {
		if r.GetBody != nil || r.ContentLength <= 0 {
			t.Errorf("GetBody %t, ContentLength %d", r.GetBody != nil, r.ContentLength)
		}
		return nil, errors.New("down")
	})}}
	_, _ = c.CreatePayment(t.Context(), testOrder(), nil)
}

func TestHTTPClient_NoDetourIsTaken(t *testing.T) {
	t.Setenv("HTTPS_PROXY", "http://proxy.example:3128")
	tr := NewHTTPClient().Transport.(*http.Transport)
	if tr.Proxy != nil || !tr.DisableCompression || tr.Protocols.HTTP2() || !tr.Protocols.HTTP1() || tr.TLSClientConfig.InsecureSkipVerify {
		t.Errorf("%+v", tr)
	}
}
