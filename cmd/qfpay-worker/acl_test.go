package main

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"regexp"
	"strings"
	"testing"

	"github.com/redis/go-redis/v9"

	"github.com/qfpay-worker/qfpay-worker/internal/redistest"
	"github.com/qfpay-worker/qfpay-worker/qfpay/simulator"
)

// metricsAddr matches the log line that names the address of the metrics.
var metricsAddr = regexp.MustCompile(`"serving /metrics, /healthz and /readyz","addr":"([^"]+)"`)

// Every command works as the user that is meant for it, and Redis refuses none of them anything.
func TestACL_IsEnoughForTheWholeFlow(t *testing.T) {
	t.Parallel()
	for kind, start := range map[string]func(*testing.T) *redistest.Server{
		"one server": func(t *testing.T) *redistest.Server { return redistest.StartTCP(t) },
		"Cluster": func(t *testing.T) *redistest.Server {
			return oneNode(t, redistest.StartTCP(t, redistest.ClusterNode(t)...))
		},
	} {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			server := start(t)
			scheme := map[string]string{"one server": "redis", "Cluster": "redis-cluster"}[kind]
			setUsers(t, server, "{eu}")
			as := func(role string) []string {
				return []string{"REDIS_URL=" + scheme + "://eu-" + role + ":secret@" + server.Addr, "WORKER_KEY_PREFIX={eu}"}
			}
			wholeFlow(t, as, server)
			if denied := server.Do(t, "acl", "log"); denied != "[]" {
				t.Errorf("Redis has refused something: %s", denied)
			}
		})
	}
}

// setUsers gives the users of a prefix what the command acl prints.
func setUsers(t *testing.T, server *redistest.Server, prefix string) {
	t.Helper()
	printed := command(t, nil, "acl", "--worker-key-prefix="+prefix)
	if printed.code != exitDone || strings.Count(printed.out, "\n") != 4 {
		t.Fatalf("%+v", printed)
	}
	for line := range strings.Lines(printed.out) {
		var words []any
		for w := range strings.FieldsSeq(line) {
			words = append(words, w)
		}
		server.Do(t, words...)
		server.Do(t, "acl", "setuser", words[2], "on", ">secret")
	}
}

// wholeFlow takes orders in at every entry point and reads their results, each as the user of
// its role.
func wholeFlow(t *testing.T, as func(role string) []string, server *redistest.Server) {
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	var log lockedBuffer
	ended := make(chan int, 1)
	env := append(as("worker"), "QFPAY_BASE_URL="+serveHTTP(t, simulator.New(simulator.Config{})), "QFPAY_APP_CODE="+simulator.SampleAppCode,
		"QFPAY_CLIENT_KEY="+simulator.SampleKey, "WORKER_HTTP_ADDR=127.0.0.1:0", "LOG_FORMAT=json", "WORKER_API_TOKEN_FILE="+file(t, "token", apiToken))
	go func() {
		ended <- run(ctx, []string{"run", "--api", "127.0.0.1:0"}, env, stdio{in: strings.NewReader(""), out: io.Discard, err: &log})
	}()
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	addrs := map[*regexp.Regexp]string{}
	eventually(t, "the pages are served", func() bool {
		for _, r := range []*regexp.Regexp{taking, metricsAddr} {
			if m := r.FindStringSubmatch(log.String()); m != nil {
				addrs[r] = m[1]
			}
		}
		return len(addrs) == 2 || len(ended) > 0
	})
	call := func(method, addr, path, body string) string {
		t.Helper()
		req, err := http.NewRequestWithContext(t.Context(), method, "http://"+addr+path, strings.NewReader(body))
		redistest.OK(t, err)
		req.Header.Set("Authorization", "Bearer "+apiToken)
		req.Header.Set("Content-Type", "application/json")
		res, err := client.Do(req)
		redistest.OK(t, err)
		defer res.Body.Close()
		text, err := io.ReadAll(res.Body)
		if err != nil || res.StatusCode >= 300 {
			t.Errorf("%s: %d %s", path, res.StatusCode, text)
		}
		return string(text)
	}
	must := func(role string, args ...string) string {
		t.Helper()
		got := command(t, as(role), args...)
		if got.code != exitDone {
			t.Errorf("as %s, %v: %+v", role, args, got)
		}
		return got.out
	}

	const order = `"pay_type":"801501","txamt":2500,"txcurrcd":"HKD"}`
	must("producer", "enqueue", file(t, "o.csv", "out_trade_no,pay_type,txamt,txcurrcd,deadline\nB1,800101,2500,HKD,\nOLD,800101,2500,HKD,2020-01-01T00:00:00Z\n"))
	call("POST", addrs[taking], "/v1/orders", `{"out_trade_no":"H1","lane":"interactive",`+order)
	producer := redis.NewClient(&redis.Options{Addr: server.Addr, Username: "eu-producer", Password: "secret"})
	defer producer.Close()
	for _, text := range []string{`{"out_trade_no":"S1",` + order, "no order"} {
		redistest.OK(t, producer.XAdd(t.Context(), &redis.XAddArgs{Stream: "{eu}:requests", Values: []any{"order", text}}).Err())
	}
	eventually(t, "every order has its result", func() bool { return server.Do(t, "xlen", "{eu}:results") == "4" })
	for _, args := range [][]string{{"results"}, {"results", "--group=g", "--consumer=c"}} {
		if out := must("consumer", args...); strings.Count(out, " created  ") != 3 || strings.Count(out, " expired") != 1 {
			t.Errorf("%v: %s", args, out)
		}
	}
	call("GET", addrs[taking], "/v1/orders/default/H1", "")
	if text := call("GET", addrs[metricsAddr], "/metrics", ""); !strings.Contains(text, "qfpay_results_length 4") || strings.Contains(text, `qfpay_redis_errors_total{op="scrape"} 1`) {
		t.Errorf("the scrape failed")
	}
	var shown struct{ State string }
	if err := json.Unmarshal([]byte(must("operator", "order", "show", "--format=json", "B1")), &shown); err != nil || shown.State != "DONE" {
		t.Errorf("order show: %+v, %v", shown, err)
	}
	must("operator", "order", "retry", "OLD")
	eventually(t, "it has another result", func() bool { return server.Do(t, "xlen", "{eu}:results") == "5" })
	if out := must("operator", "order", "cancel", "B1"); !strings.HasSuffix(out, "default:B1  closed\ncancelled=0 closed=1\n") {
		t.Errorf("order cancel: %s", out)
	}
	redistest.OK(t, producer.XAdd(t.Context(), &redis.XAddArgs{Stream: "{eu}:cancel", Values: []any{"out_trade_no", "H1"}}).Err())
	eventually(t, "the request to cancel is carried out", func() bool {
		return server.Do(t, "hmget", "{eu}:order:default:H1", "closed") == "[closed]"
	})
	must("operator", "audit")
	if strings.Contains(log.String(), `"level":"ERROR"`) {
		t.Error(log.String())
	}

	// A Redis that has lost everything needs no restart of a worker.
	servers := strings.Fields(strings.Trim(server.Do(t, "zrange", "asynq:servers", 0, -1), "[]"))
	server.Do(t, "flushall")
	for _, s := range servers { // asynq adds them within 5 s; when they are removed, it has ended
		server.Do(t, "zadd", "asynq:servers", 0, s)
	}
	server.Do(t, "acl", "setuser", "eu-producer", "+xrange")
	again := must("producer", "enqueue", "--wait", "--results=-", file(t, "again.csv", "out_trade_no,pay_type,txamt,txcurrcd,lane\nF1,800101,2500,HKD,interactive\n"))
	if !strings.Contains(again, "\nF1,800101,2500,HKD,interactive,created,") {
		t.Errorf("the results are %q", again)
	}
	stop()
	if code := <-ended; code != exitDone {
		t.Errorf("exit code %d\n%s", code, log.String())
	}
	eventually(t, "asynq has ended", func() bool { return server.Do(t, "zcard", "asynq:servers") == "0" })
}
