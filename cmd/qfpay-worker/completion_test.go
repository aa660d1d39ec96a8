package main

import (
	"os/exec"
	"strings"
	"testing"
)

// bash completes what was typed up to the cursor.
func TestCompletion_OffersCommandsAndFlags(t *testing.T) {
	script := command(t, nil, "completion", "bash")
	if script.code != exitDone {
		t.Fatalf("%+v", script)
	}
	for _, c := range []struct{ typed, offered, not string }{
		{"qfpay-worker ", "enqueue", "--rejects"},
		{"qfpay-worker enq", "enqueue", "run"},
		{"qfpay-worker order ", "retry", "enqueue"},
		{"qfpay-worker order show --qfpay-", "--qfpay-goods-name", "--qfpay-base-url"},
		{"qfpay-worker enqueue --strict --rej", "--rejects", "--strict"},
	} {
		words := strings.Split(c.typed, " ")
		typed := "COMP_WORDS=('" + strings.Join(words, "' '") + "'); COMP_CWORD=$((${#COMP_WORDS[@]} - 1)); _qfpay_worker; echo ${COMPREPLY[@]}"
		out, err := exec.Command("bash", "-c", script.out+typed).CombinedOutput()
		offered := " " + strings.TrimSpace(string(out)) + " "
		if err != nil || !strings.Contains(offered, " "+c.offered+" ") || strings.Contains(offered, " "+c.not+" ") {
			t.Errorf("%q: %v, %q", c.typed, err, out)
		}
	}
}

// make release-test completes with these shells themselves.
func TestCompletion_IsThereForOtherShells(t *testing.T) {
	for shell, want := range map[string]string{"zsh": "#compdef qfpay-worker\n", "fish": `-n "__fish_seen_subcommand_from order; and __fish_seen_subcommand_from show" -l qfpay-goods-name`} {
		if got := command(t, nil, "completion", shell); got.code != exitDone || !strings.Contains(got.out, want) {
			t.Errorf("%s: %+v", shell, got)
		}
	}
	if got := command(t, nil, "completion", "tcsh"); got.code != exitInput || !strings.Contains(got.err, "bash, zsh or fish") {
		t.Errorf("%+v", got)
	}
}
