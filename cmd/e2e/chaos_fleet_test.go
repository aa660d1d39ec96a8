package e2e

import (
	"strings"
	"sync"
	"syscall"
	"testing"
)

// fleet is a number of worker processes that can be ended and restarted. Its methods are for the
// test's own goroutine.
type fleet struct {
	t        *testing.T
	program  string
	args     []string
	settings []string
	past     []*process // those that have ended

	mu    sync.Mutex // held while slots change, and by running
	slots []*process
}

// startFleet starts n processes of a program. Their output is checked when the test ends.
func startFleet(t *testing.T, n int, settings []string, program string, args ...string) *fleet {
	t.Helper()
	f := &fleet{t: t, program: program, args: args, settings: settings, slots: make([]*process, n)}
	t.Cleanup(f.finish)
	for i := range f.slots {
		f.start(i)
	}
	return f
}

// start starts a process in an empty slot.
func (f *fleet) start(slot int, more ...string) {
	f.t.Helper()
	f.put(slot, launch(f.t, append(f.settings[:len(f.settings):len(f.settings)], more...), f.program, f.args...))
}

// retire moves the ended process of a slot to the past ones.
func (f *fleet) retire(slot int) {
	p := f.slots[slot]
	<-p.ended
	f.past = append(f.past, p)
	f.put(slot, nil)
}

// put puts a process into a slot, or none.
func (f *fleet) put(slot int, p *process) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.slots[slot] = p
}

// kill ends the process of a slot with SIGKILL and starts another.
func (f *fleet) kill(slot int) {
	f.t.Helper()
	f.slots[slot].cmd.Process.Kill()
	f.retire(slot)
	f.start(slot)
}

// restart ends the process of a slot with SIGTERM and starts another.
func (f *fleet) restart(slot int) {
	f.t.Helper()
	f.stop(slot)
	f.start(slot)
}

// stop ends the processes of slots with SIGTERM, all at once. Each must exit with 0. It first
// waits until they take orders, because before that they do not handle signals.
func (f *fleet) stop(slots ...int) {
	f.t.Helper()
	for _, slot := range slots {
		p := f.slots[slot]
		p.await(f.t, p.err, "that it takes orders", patience, takesOrders)
		f.signal(slot, syscall.SIGTERM)
	}
	for _, slot := range slots {
		p := f.slots[slot]
		if code := p.wait(f.t); code != 0 {
			f.t.Errorf("SIGTERM: a worker ended with %d, want 0\n%s", code, p.err.tail(4000))
		}
		f.retire(slot)
	}
}

func takesOrders(log string) bool { return strings.Contains(log, "taking orders") }

// stopAll ends all of them with SIGTERM.
func (f *fleet) stopAll() {
	f.t.Helper()
	var slots []int
	for slot := range f.slots {
		slots = append(slots, slot)
	}
	f.stop(slots...)
}

// signal sends a signal to the process of a slot.
func (f *fleet) signal(slot int, s syscall.Signal) {
	f.t.Helper()
	if err := f.slots[slot].cmd.Process.Signal(s); err != nil {
		f.t.Fatalf("%s: %v", s, err)
	}
}

// all returns every current and past process.
func (f *fleet) all() []*process {
	all := f.past
	for _, p := range f.slots {
		if p != nil {
			all = append(all[:len(all):len(all)], p)
		}
	}
	return all
}

func (f *fleet) finish() {
	for _, p := range f.slots {
		if p != nil {
			p.cmd.Process.Kill()
			<-p.ended
		}
	}
	for _, p := range f.all() {
		p.examine(f.t)
	}
}

// linesAbout returns the log lines of the workers about an order.
func (f *fleet) linesAbout(outTradeNo string) []string {
	var lines []string
	for _, p := range f.all() {
		for line := range strings.Lines(p.err.text()) {
			if strings.Contains(line, `"`+outTradeNo+`"`) {
				lines = append(lines, strings.TrimSpace(line))
			}
		}
	}
	return lines
}
