package deploy

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"sigs.k8s.io/yaml"
)

// unitLines are the settings of the systemd unit, comments left out.
func unitLines(t *testing.T) []string {
	t.Helper()
	text, err := os.ReadFile("../systemd/qfpay-worker.service")
	if err != nil {
		t.Fatal(err)
	}
	var lines []string
	for line := range strings.Lines(string(text)) {
		if line = strings.TrimSpace(line); line != "" && !strings.HasPrefix(line, "#") {
			lines = append(lines, line)
		}
	}
	return lines
}

// The service runs as nobody that exists otherwise, writes nowhere, and gets its key as a credential.
func TestUnit_GetsAsLittleAsItNeeds(t *testing.T) {
	lines := unitLines(t)
	for _, want := range []string{"DynamicUser=yes", "ProtectSystem=strict", "ProtectHome=yes", "PrivateTmp=yes", "PrivateDevices=yes",
		"NoNewPrivileges=yes", "CapabilityBoundingSet=", "RestrictAddressFamilies=AF_INET AF_INET6 AF_UNIX", "MemoryDenyWriteExecute=yes",
		"SystemCallFilter=@system-service", "LoadCredential=client_key:/etc/qfpay-worker/client_key",
		"Environment=QFPAY_CLIENT_KEY_FILE=/run/credentials/%n/client_key", "ExecStart=/usr/bin/qfpay-worker run"} {
		if !slices.Contains(lines, want) {
			t.Errorf("the unit has no line %s", want)
		}
	}
	for _, line := range lines {
		if strings.HasPrefix(line, "Environment=") && strings.Contains(line, "KEY=") {
			t.Errorf("a key would be in the environment: %s", line)
		}
	}
}

// Every file that a release takes is there, or is made by its first step.
func TestRelease_TakesFilesThatAreThere(t *testing.T) {
	text, err := os.ReadFile("../../.goreleaser.yml")
	if err != nil {
		t.Fatal(err)
	}
	var config struct {
		Archives []struct {
			Files []struct{ Src string }
		}
		NFPMs []struct {
			Contents []struct{ Src, Dst string }
		}
	}
	if err := yaml.Unmarshal(text, &config); err != nil {
		t.Fatal(err)
	}
	var sources []string
	for _, a := range config.Archives {
		for _, f := range a.Files {
			sources = append(sources, f.Src)
		}
	}
	for _, n := range config.NFPMs {
		for _, c := range n.Contents {
			sources = append(sources, c.Src)
		}
	}
	if len(sources) < 10 {
		t.Fatalf("only %d files", len(sources))
	}
	for _, src := range sources {
		if found, err := filepath.Glob(filepath.Join("../..", src)); (err != nil || len(found) == 0) && !strings.HasPrefix(src, "completions/") {
			t.Errorf("%s is not there", src)
		}
	}
}
