package rig

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// Worker is `qfpay-worker run`.
type Worker struct {
	*Process
	pages string // URL of its metrics and health
}

// StartWorker starts a worker for the sample merchant, without limits, and waits
// until it is ready. settings are further variables; they override these.
func (r *Rig) StartWorker(ctx context.Context, redis *Redis, gateway *Gateway, settings ...string) (*Worker, error) {
	addr, err := freeAddr()
	if err != nil {
		return nil, err
	}
	env := append([]string{
		"REDIS_URL=" + redis.URL,
		"WORKER_HTTP_ADDR=" + addr,
		"QFPAY_BASE_URL=" + gateway.URL,
		"QFPAY_MERCHANTS_FILE=" + r.merchantsFile(),
	}, settings...)
	p, err := r.Start("worker", env, r.program("qfpay-worker"), "run")
	if err != nil {
		return nil, err
	}
	w := &Worker{Process: p, pages: "http://" + addr}
	return w, p.until(ctx, 30*time.Second, func(ctx context.Context) error {
		_, err := w.page(ctx, "/readyz")
		return err
	})
}

// Metric is the value of a metric without labels.
func (w *Worker) Metric(ctx context.Context, name string) (float64, error) {
	text, err := w.page(ctx, "/metrics")
	if err != nil {
		return 0, err
	}
	for line := range strings.Lines(text) {
		if value, ok := strings.CutPrefix(line, name+" "); ok {
			return strconv.ParseFloat(strings.TrimSpace(value), 64)
		}
	}
	return 0, fmt.Errorf("the worker has no metric %s", name)
}

func (w *Worker) page(ctx context.Context, path string) (string, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, w.pages+path, nil)
	if err != nil {
		return "", err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return "", err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err == nil && resp.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s: %s: %s", path, resp.Status, body)
	}
	return string(body), err
}
