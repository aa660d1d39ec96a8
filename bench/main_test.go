package main

import (
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// Every section that takes seconds runs once, with small sizes. This does not measure speed, but
// shows that the rig still works. The baseline and the instrumented worker are this program, so
// it is built.
func TestSpeed_EverySectionRuns(t *testing.T) {
	t.Parallel()
	out := bench(t, "speed", "--quick")
	for _, section := range []string{"Throughput", "What an order costs", "Under load", "Enqueuing", "Growth"} {
		if !strings.Contains(out, "\n"+section) {
			t.Errorf("no section %q in\n%s", section, out)
		}
	}
}

// A run of the quota whose single orders do not arrive fails. Its figures mean nothing in so short a span.
func TestQuota_SingleOrdersArrive(t *testing.T) {
	t.Parallel()
	bench(t, "quota", "--only", "interactive", "--span", "3s")
}

// bench builds this program, runs it, and returns what it prints.
func bench(t *testing.T, args ...string) string {
	t.Helper()
	if _, err := exec.LookPath("redis-server"); err != nil {
		t.Fatal("redis-server is missing; install it with: apt-get install redis-server (make test does)")
	}
	program := filepath.Join(t.TempDir(), "bench")
	if out, err := exec.Command("go", "build", "-o", program, ".").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	out, err := exec.Command(program, args...).CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return string(out)
}

func TestStats_QuantilesAndMediansAreRight(t *testing.T) {
	four := []time.Duration{4, 1, 3, 2}
	for name, c := range map[string]struct{ got, want time.Duration }{
		"the median of four is between the middle two": {median([]time.Duration{40, 10, 30, 20}), 25},
		"the median of one":                            {median([]time.Duration{7}), 7},
		"half of four":                                 {quantile(four, 0.5), 3},
		"the last of four":                             {quantile(four, 0.99), 4},
		"of none":                                      {quantile([]time.Duration{}, 0.5), 0},
	} {
		if c.got != c.want {
			t.Errorf("%s: %d, want %d", name, c.got, c.want)
		}
	}
	if r := ratios([]int{10, 9, 8}, []int{5, 0}); len(r) != 2 || r[0] != 2 || r[1] != 0 {
		t.Errorf("ratios %v", r)
	}
}

func TestSoak_GrowthIsNotFlat(t *testing.T) {
	grown := func(by int64) []soakSample {
		samples := make([]soakSample, 30)
		for i := range samples {
			samples[i].rss = 50<<20 + int64(i)*by
		}
		return samples
	}
	if err := flat(grown(0)); err != nil {
		t.Errorf("nothing grew: %v", err)
	}
	if err := flat(grown(2 << 20)); err == nil || !strings.Contains(err.Error(), "RSS") {
		t.Errorf("2 MB more with each sample: %v", err)
	}
	if err := flat(grown(0)[:5]); err == nil {
		t.Error("five samples say nothing")
	}
}
