package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/qfpay-worker/qfpay-worker/bench/rig"
	"github.com/qfpay-worker/qfpay-worker/qfpay/simulator"
	"github.com/qfpay-worker/qfpay-worker/tasks"
)

// QFPay's limits, and what it takes to answer.
const (
	secondLimit  = 100
	minuteLimit  = 400
	quotaLatency = "50ms-800ms"
)

// quotaEnv is one gateway with limits, one Redis, and workers of its merchants.
type quotaEnv struct {
	rig      *rig.Rig
	redis    *rig.Redis
	gateway  *rig.Gateway
	accounts []simulator.Account
	settings []string
	workers  []*rig.Worker
}

// newQuotaEnv starts an environment without workers.
func newQuotaEnv(ctx context.Context, r *rig.Rig, merchants int) (*quotaEnv, error) {
	s := &quotaEnv{rig: r, accounts: simulator.SampleAccounts(merchants)}
	var err error
	if s.redis, err = r.StartRedis(ctx); err != nil {
		return nil, err
	}
	if s.gateway, err = r.StartGatewayWith(ctx, merchants, "--latency", quotaLatency); err != nil {
		return nil, err
	}
	file, err := s.merchantsFile()
	if err != nil {
		return nil, err
	}
	s.settings = []string{"QFPAY_MERCHANTS_FILE=" + file, "QFPAY_PER_SECOND=", "QFPAY_PER_MINUTE=",
		"QFPAY_APP_CODE=", "QFPAY_CLIENT_KEY=", "LOG_LEVEL=warn"}
	return s, nil
}

// merchantsFile writes a merchants file with only the credentials.
func (s *quotaEnv) merchantsFile() (string, error) {
	dir, err := os.MkdirTemp(s.rig.Dir, "site")
	if err != nil {
		return "", err
	}
	key := filepath.Join(dir, "key")
	if err := os.WriteFile(key, []byte(simulator.SampleKey), 0o600); err != nil {
		return "", err
	}
	var text strings.Builder
	for i, a := range s.accounts {
		fmt.Fprintf(&text, "- name: %s\n  app_code: %s\n  client_key_file: %s\n", merchantName(i), a.AppCode, key)
	}
	file := filepath.Join(dir, "merchants.yaml")
	return file, os.WriteFile(file, []byte(text.String()), 0o600)
}

// work starts n workers.
func (s *quotaEnv) work(ctx context.Context, n int) error {
	for range n {
		w, err := s.rig.StartWorker(ctx, s.redis, s.gateway, s.settings...)
		if err != nil {
			return err
		}
		s.workers = append(s.workers, w)
	}
	return nil
}

// enqueue enqueues n orders of a merchant in bulk.
func (s *quotaEnv) enqueue(ctx context.Context, merchant, n int, series string) error {
	orders := newOrders(series, 0, n)
	for i := range orders {
		orders[i].Merchant = merchantName(merchant)
	}
	accepted, err := s.producer().EnqueueAll(ctx, orders)
	for _, a := range accepted {
		if err == nil {
			err = a.Err
		}
	}
	return err
}

func (s *quotaEnv) producer() *tasks.Producer {
	return tasks.NewProducer(s.redis.Client, tasks.Keys{Prefix: tasks.DefaultPrefix})
}

// admin calls the gateway's admin API.
func (s *quotaEnv) admin(ctx context.Context, method, path string, form url.Values) (*http.Response, error) {
	req, err := http.NewRequestWithContext(ctx, method, s.gateway.URL+"/_simulator/"+path, strings.NewReader(form.Encode()))
	if err != nil {
		return nil, err
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	resp, err := http.DefaultClient.Do(req)
	if err == nil && resp.StatusCode >= 300 {
		resp.Body.Close()
		err = fmt.Errorf("%s: %s", path, resp.Status)
	}
	return resp, err
}

// limits changes the gateway's limits.
func (s *quotaEnv) limits(ctx context.Context, secondLimit, minuteLimit int) error {
	resp, err := s.admin(ctx, http.MethodPost, "limits", url.Values{
		"per_second": {fmt.Sprint(secondLimit)}, "per_minute": {fmt.Sprint(minuteLimit)}})
	if err == nil {
		resp.Body.Close()
	}
	return err
}

// calls returns every call that has arrived, by app_code.
func (s *quotaEnv) calls(ctx context.Context) (map[string][]simulator.Call, error) {
	resp, err := s.admin(ctx, http.MethodGet, "calls", nil)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	all := map[string][]simulator.Call{}
	lines := bufio.NewScanner(resp.Body)
	for lines.Scan() {
		var c simulator.Call
		if err := json.Unmarshal(lines.Bytes(), &c); err != nil {
			return nil, err
		}
		all[c.AppCode] = append(all[c.AppCode], c)
	}
	return all, lines.Err()
}

// of returns the calls of one merchant.
func (s *quotaEnv) of(ctx context.Context, merchant int) (arrivals, error) {
	all, err := s.calls(ctx)
	return arrivals(all[s.accounts[merchant].AppCode]), err
}

// arrivals are calls in the order of their arrival.
type arrivals []simulator.Call

// peak returns the most calls in any window of this length.
func (a arrivals) peak(window time.Duration) int {
	most, first := 0, 0
	for i, c := range a {
		for c.Time.Sub(a[first].Time) >= window {
			first++
		}
		most = max(most, i-first+1)
	}
	return most
}

// within returns the calls of a span of time.
func (a arrivals) within(from time.Time, span time.Duration) arrivals {
	return slices.DeleteFunc(slices.Clone(a), func(c simulator.Call) bool {
		return c.Time.Before(from) || !c.Time.Before(from.Add(span))
	})
}

// refused returns how many calls got HTTP 429.
func (a arrivals) refused() int {
	n := 0
	for _, c := range a {
		if c.HTTPStatus == http.StatusTooManyRequests {
			n++
		}
	}
	return n
}

// wait sleeps unless ctx ends.
func wait(ctx context.Context, d time.Duration) error {
	select {
	case <-time.After(d):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
