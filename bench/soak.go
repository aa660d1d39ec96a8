package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/qfpay-worker/qfpay-worker/bench/rig"
	"github.com/qfpay-worker/qfpay-worker/qfpay/simulator"
	"github.com/qfpay-worker/qfpay-worker/tasks"
)

// soakCmd monitors a worker at a steady load: 400 orders a minute for each of five merchants, with
// the limits of production.
type soakCmd struct {
	Module string        `default:".." type:"existingdir" help:"Directory of the main module."`
	For    time.Duration `default:"30m" help:"How long."`
}

const (
	soakMerchants = 5
	soakPerMinute = 400
	// Orders arrive a little slower than the limits allow, so that there is no growing backlog.
	soakShare   = 0.95
	soakSamples = 30
)

// soakSample is one sample of the monitored values.
type soakSample struct {
	after                  time.Duration
	rss                    int64 // bytes
	goroutines, files      int
	waiting, keys, settled int // orders without a result; keys other than one journal per order
}

// Run monitors, prints a table, and fails if anything has grown.
func (c *soakCmd) Run(ctx context.Context) error {
	r, err := rig.New(ctx, c.Module)
	if err != nil {
		return err
	}
	defer r.Close()
	s := &environment{rig: r}
	if s.redis, err = r.StartRedis(ctx); err != nil {
		return err
	}
	if s.gateway, err = r.StartGateway(ctx, soakMerchants, 50*time.Millisecond); err != nil {
		return err
	}
	defer s.close()
	merchants, err := soakMerchantsFile(r, s.gateway)
	if err != nil {
		return err
	}
	w, err := r.StartWorker(ctx, s.redis, s.gateway, "QFPAY_BASE_URL=", "QFPAY_APP_CODE=", "QFPAY_CLIENT_KEY=",
		"QFPAY_MERCHANTS_FILE="+merchants)
	if err != nil {
		return err
	}
	samples, err := c.watch(ctx, s, w)
	if err != nil {
		return err
	}
	if err := w.Stop(); err != nil {
		return err
	}
	return flat(samples)
}

// watch enqueues orders and takes samples.
func (c *soakCmd) watch(ctx context.Context, s *environment, w *rig.Worker) ([]soakSample, error) {
	feeding, stop := context.WithCancel(ctx)
	fed := make(chan error, 1)
	go func() {
		feed := loadgen{producer: tasks.NewProducer(s.redis.Client, keys), series: s.series(), merchants: soakMerchants}
		fed <- feed.run(feeding, soakMerchants*soakPerMinute*soakShare/60.0, c.For)
	}()
	defer func() { stop(); <-fed }()
	fmt.Printf("%10s %10s %12s %8s %10s %8s %10s\n", "after", "RSS MB", "goroutines", "files", "waiting", "keys", "settled")
	var samples []soakSample
	for began := time.Now(); time.Since(began) < c.For; {
		if err := pause(ctx, c.For/soakSamples); err != nil {
			return nil, err
		}
		one, err := lookAt(ctx, s, w)
		if err != nil {
			return nil, err
		}
		one.after = time.Since(began)
		samples = append(samples, one)
		fmt.Printf("%10s %10.1f %12d %8d %10d %8d %10d\n", one.after.Round(time.Second), float64(one.rss)/(1<<20),
			one.goroutines, one.files, one.waiting, one.keys, one.settled)
	}
	return samples, nil
}

func lookAt(ctx context.Context, s *environment, w *rig.Worker) (one soakSample, err error) {
	if one.rss, err = w.RSS(); err != nil {
		return one, err
	}
	if one.files, err = w.Files(); err != nil {
		return one, err
	}
	goroutines, err := w.Metric(ctx, "go_goroutines")
	if err != nil {
		return one, err
	}
	one.goroutines = int(goroutines)
	settled, err := s.redis.Client.XLen(ctx, keys.Results()).Result()
	if err != nil {
		return one, err
	}
	waiting, err := s.redis.Client.ZCard(ctx, keys.Due()).Result()
	if err != nil {
		return one, err
	}
	all, err := s.redis.Client.DBSize(ctx).Result()
	one.settled, one.waiting, one.keys = int(settled), int(waiting), int(all-settled-waiting)
	return one, err
}

// flat compares the first half, after a warm-up, with the second: a leak grows continuously.
func flat(samples []soakSample) error {
	warm := len(samples) / 5
	if len(samples)-warm < 6 {
		return errors.New("too few samples to tell whether anything grows; soak for longer")
	}
	half := warm + (len(samples)-warm)/2
	var bad error
	check := func(what string, slack float64, of func(soakSample) float64) {
		most := func(part []soakSample) float64 {
			all := make([]float64, len(part))
			for i, s := range part {
				all[i] = of(s)
			}
			return quantile(all, 0.9)
		}
		before, after := most(samples[warm:half]), most(samples[half:])
		if after > before*1.1+slack {
			bad = errors.Join(bad, fmt.Errorf("%s grew from %.0f in the first half to %.0f in the second", what, before, after))
		}
	}
	check("RSS in MB", 4, func(s soakSample) float64 { return float64(s.rss) / (1 << 20) })
	check("goroutines", 20, func(s soakSample) float64 { return float64(s.goroutines) })
	check("open files", 20, func(s soakSample) float64 { return float64(s.files) })
	check("waiting orders", 100, func(s soakSample) float64 { return float64(s.waiting) })
	check("keys beside the journals", 100, func(s soakSample) float64 { return float64(s.keys) })
	if bad == nil {
		fmt.Println("nothing has grown")
	}
	return bad
}

// soakMerchantsFile writes a merchants file.
func soakMerchantsFile(r *rig.Rig, gateway *rig.Gateway) (string, error) {
	key := filepath.Join(r.Dir, "client_key")
	if err := os.WriteFile(key, []byte(simulator.SampleKey), 0o600); err != nil {
		return "", err
	}
	var yaml strings.Builder
	for i, account := range simulator.SampleAccounts(soakMerchants) {
		fmt.Fprintf(&yaml, "- name: %s\n  base_url: %s\n  app_code: %q\n  client_key_file: %s\n  per_minute: %d\n",
			merchantName(i), gateway.URL, account.AppCode, key, soakPerMinute)
	}
	file := filepath.Join(r.Dir, "merchants.yaml")
	return file, os.WriteFile(file, []byte(yaml.String()), 0o600)
}
