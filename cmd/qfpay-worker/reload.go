package main

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"hash"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"slices"
	"sync"
	"syscall"
	"time"

	"github.com/qfpay-worker/qfpay-worker/metrics"
	"github.com/qfpay-worker/qfpay-worker/worker"
)

const (
	// lookEvery is how long a file that has changed may go unnoticed. The files are read
	// whole: behind a Secret's symbolic links there is little else to go by.
	lookEvery = 5 * time.Second
	// lookAgain is how long the files must have stayed as they are: one that is being
	// written would be half a key.
	lookAgain = 500 * time.Millisecond
)

// reloader has the merchants read again, with the same settings, on SIGHUP and when one
// of their files has changed. What is wrong is logged, and changes nothing.
type reloader struct {
	config GatewayConfig
	watch  watch
	hup    chan os.Signal
	read   files // as they were when they were read last

	log *slog.Logger
	put func([]worker.Merchant) error // in force; with an error nothing has changed
}

// newReloader makes a reloader of files as they are now. It hears SIGHUP from now on,
// until its end, and what it hears before it runs is not lost.
func newReloader(c GatewayConfig) *reloader {
	r := &reloader{config: c, watch: watch{config: c}, hup: make(chan os.Signal, 1)}
	signal.Notify(r.hup, syscall.SIGHUP)
	r.read = r.watch.look()
	return r
}

// close has the reloader not hear SIGHUP any more.
func (r *reloader) close() { signal.Stop(r.hup) }

// start reads again from now on, beside the caller, until it is stopped.
func (r *reloader) start(ctx context.Context, log *slog.Logger, put func([]worker.Merchant) error) (stop func()) {
	r.log, r.put = log, put
	ctx, cancel := context.WithCancel(ctx)
	var running sync.WaitGroup
	running.Go(func() { r.run(ctx) })
	return func() {
		cancel()
		running.Wait()
	}
}

// run reads again until ctx ends.
func (r *reloader) run(ctx context.Context) {
	last := r.read // looked at: to see whether a change is over
	timer := time.NewTimer(lookEvery)
	defer timer.Stop()
	for {
		wait := lookEvery
		select {
		case <-ctx.Done():
			return
		case <-r.hup:
			r.reload("SIGHUP")
			last = r.read
		case <-timer.C:
			now := r.watch.look()
			switch {
			case now == r.read:
			case now != last:
				wait = lookAgain
			default:
				r.reload("a file has changed")
				now = r.read
			}
			last = now
		}
		timer.Reset(wait)
	}
}

// reload reads the merchants and has them put in force, if there is nothing wrong with
// them.
func (r *reloader) reload(why string) {
	r.read = r.watch.look() // before it reads: what changes meanwhile is seen the next time
	r.log.Info("reading the merchants again", "why", why)
	var found checks
	merchants := r.config.merchants(&found)
	err := found.err()
	if err == nil {
		err = r.put(merchants)
	}
	if err != nil {
		r.refuse(err)
	}
}

// refuse logs what is wrong, one line for each setting, as at the start.
func (r *reloader) refuse(err error) {
	const kept = "the merchants are wrong and were not changed; those of before stay in force"
	var wrong SettingErrors
	if !errors.As(err, &wrong) {
		wrong = SettingErrors{{Variable: r.config.merchantsFrom(), Problem: err.Error()}}
	}
	for _, one := range wrong {
		r.log.Error(kept, "error", one.Error())
	}
}

// merchantsFrom is the setting that the merchants come from.
func (c GatewayConfig) merchantsFrom() string {
	if c.MerchantsFile != "" {
		return merchantsVariable
	}
	return "QFPAY_APP_CODE"
}

// files is a print of the files that the merchants are read from. It says whether they
// are the same, and nothing of what is in them.
type files [sha256.Size]byte

// watch looks at the files that the merchants are read from.
type watch struct {
	config GatewayConfig
	text   files    // print of the merchants file
	keys   []string // the files that it names
}

// look reads the files. One that cannot be read has a print as well.
func (w *watch) look() files {
	h := sha256.New()
	if w.config.ClientKeyFile != "" {
		printOf(h, w.config.ClientKeyFile)
	}
	if w.config.MerchantsFile != "" {
		text := sha256.New()
		printOf(text, w.config.MerchantsFile)
		if now := files(text.Sum(nil)); now != w.text {
			w.text, w.keys = now, w.config.keyFiles()
		}
		h.Write(w.text[:])
		for _, path := range w.keys {
			printOf(h, path)
		}
	}
	return files(h.Sum(nil))
}

// printOf adds one file to a print; of a huge one, which is the wrong one, the beginning.
func printOf(h hash.Hash, path string) {
	n := int64(-1)
	f, err := os.Open(path)
	if err == nil {
		defer f.Close()
		n, err = io.Copy(h, io.LimitReader(f, 16<<20))
	}
	fmt.Fprintf(h, "\n%q %d %t\n", path, n, err == nil)
}

// keyFiles names the key files of the merchants file, as far as it can be read.
func (c GatewayConfig) keyFiles() []string {
	text, err := os.ReadFile(c.MerchantsFile)
	if err != nil {
		return nil
	}
	r := fileReader{path: c.MerchantsFile, found: &checks{}}
	var paths []string
	for _, e := range r.entries(text) {
		if e.ClientKeyFile != "" {
			paths = append(paths, beside(c.MerchantsFile, e.ClientKeyFile))
		}
	}
	return paths
}

// putInForce returns what puts other merchants in force in a worker that has these, and
// in its metrics.
func putInForce(w *worker.Worker, m *metrics.Metrics, inForce []worker.Merchant) func([]worker.Merchant) error {
	return func(merchants []worker.Merchant) error {
		m.SetMerchants(slices.Concat(namesOf(inForce), namesOf(merchants)))
		err := w.SetMerchants(merchants)
		if err == nil {
			inForce = merchants
		}
		m.SetMerchants(namesOf(inForce))
		showLimits(m, inForce)
		return err
	}
}

func showLimits(m *metrics.Metrics, merchants []worker.Merchant) {
	for _, one := range merchants {
		m.ShowLimit(one.Name, one.PerSecond, one.PerMinute)
	}
}

func namesOf(merchants []worker.Merchant) []string {
	names := make([]string, len(merchants))
	for i, m := range merchants {
		names[i] = m.Name
	}
	return names
}
