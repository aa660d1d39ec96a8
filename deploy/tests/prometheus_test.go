package deploy

import (
	"os/exec"
	"testing"
)

func TestPrometheus_ConfigurationIsTakenByPromtool(t *testing.T) {
	t.Parallel()
	promtool, err := exec.LookPath("promtool")
	if err != nil {
		t.Fatal("promtool is missing; install it with: apt-get install prometheus (make test does)")
	}
	if out, err := exec.Command(promtool, "check", "config", "../prometheus/prometheus.yml").CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}
