package worker

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"path"
	"strconv"
	"strings"

	"github.com/qfpay-worker/qfpay-worker/worker/internal/policy"
)

// scheduler is a gateway whose answers were drawn before. The model asks it for the answer to a
// call; the worker's client calls it over HTTP.
type scheduler struct {
	answers []byte
	calls   []string // endpoint and number of reissues of each call
}

// prompt is one answer: what it means in the model, and what it is on the wire.
type prompt struct {
	reply   policy.Reply
	status  int    // 0: the connection breaks
	unsent  bool   // and nothing has left
	body    string // %s is the out_trade_no
	refuses bool   // it may concern every order of the merchant
}

const echo = `"out_trade_no":"%s","txamt":"2500"`

var creates = []prompt{
	{reply: replyCreated, status: 200, body: `{"respcd":"0000","qrcode":"qr",` + echo + `}`},
	{reply: replyLost},
	{reply: replyNotSent, unsent: true},
	{reply: replyThrottled, status: 429},
	{reply: replyBusy, status: 200, body: `{"respcd":"1100"}`},
	{reply: replyUnsigned, status: 200, body: `{"respcd":"1108"}`, refuses: true},
	{reply: replyRefused, status: 200, body: `{"respcd":"1294"}`},
	{reply: replyDuplicate, status: 200, body: `{"respcd":"1102"}`},
	{reply: replyUnknown, status: 200, body: `{"respcd":"7777"}`},
	{reply: replyStored, status: 200, body: `{"respcd":"1294","syssn":"20260301"}`},
	{reply: replyNotNow, status: 200, body: `{"respcd":"1205"}`},
	{reply: replyProxy, status: 403, body: `<html>`, refuses: true},
	{reply: replyProxy, status: 303, body: ``, refuses: true},
	{reply: replyHeld, status: 200, body: `{"respcd":"2012"}`, refuses: true},
}

var closes = []prompt{
	{reply: replyClosed, status: 200, body: `{"respcd":"0000"}`},
	{reply: replyCloseLost},
	{reply: replyNotClosed, status: 200, body: `{"respcd":"1146"}`},
	{reply: replyCloseUnset, unsent: true},
}

var queries = func() []prompt {
	all := []prompt{{reply: replyNoAnswer, status: 200, body: `{"respcd":"1254"}`}}
	for r := range records {
		data := []map[string]any{}
		for _, row := range rows[r] {
			data = append(data, map[string]any{"out_trade_no": "%s", "respcd": row.RespCd, "txamt": row.TxAmt, "sysdtm": row.SysDtm})
		}
		body, err := json.Marshal(map[string]any{"respcd": "0000", "data": data})
		if err != nil {
			panic(err)
		}
		all = append(all, prompt{reply: shown[r], status: 200, body: string(body)})
	}
	return all
}()

func (s *scheduler) create(number string) prompt { return s.answer("create", number, creates) }
func (s *scheduler) close(number string) prompt  { return s.answer("close", number, closes) }
func (s *scheduler) query(number string) prompt  { return s.answer("query", number, queries) }

// answer gives the next answer. A query over two months is two calls with one answer.
func (s *scheduler) answer(endpoint, number string, all []prompt) prompt {
	call := endpoint + " " + number
	if n := len(s.calls); n == 0 || endpoint != "query" || s.calls[n-1] != call {
		s.calls = append(s.calls, call)
	}
	return all[int(s.answers[(len(s.calls)-1)%len(s.answers)])%len(all)]
}

// RoundTrip implements [http.RoundTripper]. Like net/http's own it tells the client's
// trace when a connection is looked for, and when the call leaves.
func (s *scheduler) RoundTrip(r *http.Request) (*http.Response, error) {
	trace := httptrace.ContextClientTrace(r.Context())
	trace.GetConn("gateway")
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, err
	}
	form, err := url.ParseQuery(string(body))
	if err != nil {
		return nil, err
	}
	said, err := s.hear(path.Base(r.URL.Path), form.Get("out_trade_no"))
	if err != nil || said.unsent {
		return nil, cmp.Or(err, errors.New("connection refused"))
	}
	trace.WroteHeaders()
	if said.status == 0 {
		return nil, io.ErrUnexpectedEOF
	}
	text := strings.ReplaceAll(said.body, "%s", form.Get("out_trade_no"))
	return &http.Response{StatusCode: said.status, Header: http.Header{}, Body: io.NopCloser(strings.NewReader(text)), Request: r}, nil
}

// hear finds the answer to a call of the worker's client. The number of an order
// has a suffix from its first reissue on: _2, then _3.
func (s *scheduler) hear(endpoint, outTradeNo string) (prompt, error) {
	reissues := 0
	if _, suffix, is := strings.Cut(outTradeNo, "_"); is {
		n, err := strconv.Atoi(suffix)
		if err != nil {
			return prompt{}, err
		}
		reissues = n - 1
	}
	switch number := strconv.Itoa(reissues); endpoint {
	case "payment":
		return s.create(number), nil
	case "query":
		return s.query(number), nil
	case "reversal":
		return s.close(number), nil
	}
	return prompt{}, fmt.Errorf("the worker called %s", endpoint)
}
