package rig

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// ticksPerSecond is the unit of /proc/PID/stat; it is 100 on every Linux that Go
// runs on.
const ticksPerSecond = 100

// CPU is the time that the process has been on a CPU, user and system, to 10 ms.
func (p *Process) CPU() (time.Duration, error) {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", p.PID()))
	if err != nil {
		return 0, err
	}
	// The program's name stands in parentheses and may have spaces in it.
	fields := strings.Fields(string(b[bytes.LastIndexByte(b, ')')+1:]))
	const user, system = 11, 12
	var ticks int64
	for _, i := range []int{user, system} {
		n, err := strconv.ParseInt(fields[i], 10, 64)
		if err != nil {
			return 0, err
		}
		ticks += n
	}
	return time.Duration(ticks) * time.Second / ticksPerSecond, nil
}

// RSS is the memory that the process has resident, in bytes.
func (p *Process) RSS() (int64, error) {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", p.PID()))
	if err != nil {
		return 0, err
	}
	for line := range strings.Lines(string(b)) {
		if rest, ok := strings.CutPrefix(line, "VmRSS:"); ok {
			kb, err := strconv.ParseInt(strings.Fields(rest)[0], 10, 64)
			return kb << 10, err
		}
	}
	return 0, fmt.Errorf("%s: no VmRSS in /proc/%d/status", p.name, p.PID())
}

// Files is how many file descriptors the process has open.
func (p *Process) Files() (int, error) {
	open, err := filepath.Glob(fmt.Sprintf("/proc/%d/fd/*", p.PID()))
	return len(open), err
}

// Cores is what the machine's cores have done so far, in ticks.
type Cores struct{ idle, all int64 }

// ReadCores reads what the cores have done since the machine started.
func ReadCores() (c Cores, err error) {
	b, err := os.ReadFile("/proc/stat")
	if err != nil {
		return c, err
	}
	first, _, _ := strings.Cut(string(b), "\n")
	// cpu user nice system idle iowait irq softirq steal …; the guests' time is within user.
	for i, field := range strings.Fields(first)[1:9] {
		n, err := strconv.ParseInt(field, 10, 64)
		if err != nil {
			return c, fmt.Errorf("/proc/stat: %w", err)
		}
		if c.all += n; i == 3 || i == 4 {
			c.idle += n
		}
	}
	return c, nil
}

// BusySince is the share of the cores' time since then in which they were not idle.
func (c Cores) BusySince() (float64, error) {
	now, err := ReadCores()
	if err != nil || now.all == c.all {
		return 0, err
	}
	return 1 - float64(now.idle-c.idle)/float64(now.all-c.all), nil
}
