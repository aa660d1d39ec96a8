package deploy

import (
	"encoding/json"
	"fmt"
	"math"
	"net/http"
	"net/url"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
)

// prometheus is a real Prometheus with the rules of deploy/prometheus.
type prometheus struct{ url string }

var web = &http.Client{Timeout: 10 * time.Second}

// startPrometheus starts a Prometheus that scrapes the rig's workers every interval.
func (r *rig) startPrometheus(interval time.Duration) {
	r.t.Helper()
	if _, err := exec.LookPath("prometheus"); err != nil {
		r.t.Fatal("prometheus is missing; install it with: apt-get install prometheus (make test does)")
	}
	alerts, err := filepath.Abs(alertsFile)
	if err != nil {
		r.t.Fatal(err)
	}
	config := r.write("prometheus.yml", fmt.Sprintf(`
global: {scrape_interval: %[1]s, scrape_timeout: %[1]s, evaluation_interval: %[1]s}
rule_files: [%[2]q]
scrape_configs:
  - job_name: qfpay-worker
    static_configs: [{targets: ["%[3]s"]}]
`, interval, alerts, strings.Join(r.ports, `", "`)))
	addr := freeAddr(r.t)
	start(r.t, nil, "/usr/bin/env", "prometheus", "--config.file="+config, "--storage.tsdb.path="+filepath.Join(r.dir, "tsdb"),
		"--web.listen-address="+addr, "--log.level=warn")
	r.prom = &prometheus{url: "http://" + addr}
	eventually(r.t, time.Minute, "Prometheus is ready", func() bool {
		answer, err := web.Get(r.prom.url + "/-/ready")
		if err != nil {
			return false
		}
		answer.Body.Close()
		return answer.StatusCode == http.StatusOK
	})
}

// line is one series of an answer.
type line struct {
	labels map[string]string
	at     []time.Time
	value  []float64
}

// get calls the API and decodes the series. It omits values that are not numbers.
func (p *prometheus) get(t *testing.T, path string, args url.Values) (all []line) {
	t.Helper()
	answer, err := web.PostForm(p.url+path, args)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	var body struct {
		Error string
		Data  struct {
			Result []struct {
				Metric map[string]string
				Value  [2]any
				Values [][2]any
			}
		}
	}
	if err := json.NewDecoder(answer.Body).Decode(&body); err != nil {
		t.Fatal(err)
	}
	if body.Error != "" {
		t.Fatalf("%s: %s", args.Get("query"), body.Error)
	}
	for _, s := range body.Data.Result {
		l := line{labels: s.Metric}
		if s.Values == nil {
			s.Values = [][2]any{s.Value}
		}
		for _, v := range s.Values {
			text, _ := v[1].(string)
			seconds, _ := v[0].(float64)
			if n, err := strconv.ParseFloat(text, 64); err == nil && !math.IsNaN(n) && !math.IsInf(n, 0) {
				l.at = append(l.at, time.UnixMilli(int64(seconds*1000)))
				l.value = append(l.value, n)
			}
		}
		if len(l.value) > 0 {
			all = append(all, l)
		}
	}
	return all
}

// now evaluates an expression now.
func (p *prometheus) now(t *testing.T, expr string) []line {
	t.Helper()
	return p.get(t, "/api/v1/query", url.Values{"query": {expr}})
}

// since evaluates an expression from a time until now.
func (p *prometheus) since(t *testing.T, from time.Time, step time.Duration, expr string) []line {
	t.Helper()
	return p.get(t, "/api/v1/query_range", url.Values{"query": {expr}, "step": {step.String()},
		"start": {strconv.FormatInt(from.Unix(), 10)}, "end": {strconv.FormatInt(time.Now().Unix(), 10)}})
}
