package main

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"os/signal"
	"sync"
	"syscall"
	"time"
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
	put func([]MerchantSettings) error // in force; with an error nothing has changed
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
func (r *reloader) start(ctx context.Context, log *slog.Logger, put func([]MerchantSettings) error) (stop func()) {
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
