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

	"github.com/qfpay-worker/qfpay-worker/cmd/internal/notify"
	"github.com/qfpay-worker/qfpay-worker/metrics"
	"github.com/qfpay-worker/qfpay-worker/qfpay"
	"github.com/qfpay-worker/qfpay-worker/worker"
)

const (
	// pollInterval is how often the files are read to find a change. They are read in
	// full, because the symbolic links of a Kubernetes Secret hide changes from fsnotify
	// and from modification times.
	pollInterval = 5 * time.Second
	// settleTime is how long changed files must stay the same before they are used. A file
	// that is still being written would give half a key.
	settleTime = 500 * time.Millisecond
)

// reloader reads the merchants again, with the same settings, on SIGHUP and when one of
// their files has changed. It logs errors, and an error changes nothing.
type reloader struct {
	config GatewayConfig
	watch  watch
	hup    chan os.Signal
	read   digest // of the files when they were last read

	log *slog.Logger
	set func([]worker.Merchant) error // makes merchants take effect; an error changes nothing
}

// newReloader returns a reloader that starts from the files as they are now. It receives
// SIGHUP from now on, so that a signal before start is not lost. The caller closes it.
func newReloader(c GatewayConfig) *reloader {
	r := &reloader{config: c, watch: watch{config: c}, hup: make(chan os.Signal, 1)}
	signal.Notify(r.hup, syscall.SIGHUP)
	r.read = r.watch.digest()
	return r
}

// close stops receiving SIGHUP.
func (r *reloader) close() { signal.Stop(r.hup) }

// start reloads in the background until stop is called.
func (r *reloader) start(ctx context.Context, log *slog.Logger, set func([]worker.Merchant) error) (stop func()) {
	r.log, r.set = log, set
	ctx, cancel := context.WithCancel(ctx)
	var running sync.WaitGroup
	running.Go(func() { r.run(ctx) })
	return func() {
		cancel()
		running.Wait()
	}
}

// run reloads until ctx ends.
func (r *reloader) run(ctx context.Context) {
	last := r.read // from the last poll, to see whether the files still change
	timer := time.NewTimer(pollInterval)
	defer timer.Stop()
	for {
		wait := pollInterval
		select {
		case <-ctx.Done():
			return
		case <-r.hup:
			r.reload("SIGHUP")
			last = r.read
		case <-timer.C:
			now := r.watch.digest()
			switch {
			case now == r.read:
			case now != last:
				wait = settleTime
			default:
				r.reload("a file has changed")
				now = r.read
			}
			last = now
		}
		timer.Reset(wait)
	}
}

// reload reads the merchants, and makes them take effect if they are valid.
func (r *reloader) reload(reason string) {
	r.read = r.watch.digest() // before reading, so that the next poll sees a later change
	r.log.Info("reading the merchants again", "reason", reason)
	var found checks
	merchants := r.config.merchants(&found)
	warn(r.log, found.warnings)
	err := found.err()
	if err == nil {
		err = r.set(merchants)
	}
	if err != nil {
		r.logErrors(err)
	}
}

// logErrors logs one line for each wrong setting, as at the start.
func (r *reloader) logErrors(err error) {
	const kept = "the new merchants are not valid; the previous ones stay in effect"
	var wrong SettingErrors
	if !errors.As(err, &wrong) {
		wrong = SettingErrors{{Variable: r.config.merchantsFrom(), Problem: err.Error()}}
	}
	for _, one := range wrong {
		r.log.Error(kept, "error", one.Error())
	}
}

// merchantsFrom returns the setting that defines the merchants.
func (c GatewayConfig) merchantsFrom() string {
	if c.MerchantsFile != "" {
		return merchantsVariable
	}
	return "QFPAY_APP_CODE"
}

// digest is a hash over the files that define the merchants. It shows whether they have
// changed, and reveals nothing of their content.
type digest [sha256.Size]byte

// watch reads the files that define the merchants.
type watch struct {
	config GatewayConfig
	text   digest   // of the merchants file
	keys   []string // the files that it names
}

// digest reads the files. A file that cannot be read counts too.
func (w *watch) digest() digest {
	h := sha256.New()
	if w.config.ClientKeyFile != "" {
		addFile(h, w.config.ClientKeyFile)
	}
	if w.config.MerchantsFile != "" {
		text := sha256.New()
		addFile(text, w.config.MerchantsFile)
		if now := digest(text.Sum(nil)); now != w.text {
			w.text, w.keys = now, w.config.keyFiles()
		}
		h.Write(w.text[:])
		for _, path := range w.keys {
			addFile(h, path)
		}
	}
	return digest(h.Sum(nil))
}

// addFile adds one file to a hash; of a huge file, which must be a mistake, only the start.
func addFile(h hash.Hash, path string) {
	n := int64(-1)
	f, err := openFile(path)
	if err == nil {
		defer f.Close()
		n, err = io.Copy(h, io.LimitReader(f, maxMerchantsFile))
	}
	fmt.Fprintf(h, "\n%q %d %t\n", path, n, err == nil)
}

// keyFiles returns the key files that the merchants file names, as far as it can be read.
func (c GatewayConfig) keyFiles() []string {
	text, err := readFile(c.MerchantsFile, maxMerchantsFile)
	if err != nil {
		return nil
	}
	r := fileReader{path: c.MerchantsFile, found: &checks{}}
	var paths []string
	for _, e := range r.entries(text) {
		for _, file := range []string{e.ClientKeyFile, e.NotifyKeyFile} {
			if file != "" {
				paths = append(paths, beside(c.MerchantsFile, file))
			}
		}
	}
	return paths
}

// merchantSetter returns a function that replaces the merchants of a worker, of its metrics, and of
// the receiver of notifications. current are those that the worker has now.
func merchantSetter(w *worker.Worker, m *metrics.Metrics, receivers *notify.Merchants, current []worker.Merchant) func([]worker.Merchant) error {
	return func(merchants []worker.Merchant) error {
		m.SetMerchants(slices.Concat(namesOf(current), namesOf(merchants)))
		err := w.SetMerchants(merchants)
		if err == nil {
			current = merchants
			receivers.Set(accounts(merchants))
		}
		m.SetMerchants(namesOf(current))
		showLimits(m, current)
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

// accounts are the merchants of a worker as QFPay knows them.
func accounts(merchants []worker.Merchant) []qfpay.Merchant {
	all := make([]qfpay.Merchant, len(merchants))
	for i, m := range merchants {
		all[i] = m.Merchant
	}
	return all
}
