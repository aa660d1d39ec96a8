package main

import (
	"bytes"
	"errors"
	"log/slog"
	"strings"
	"testing"

	"github.com/redis/go-redis/v9"

	"github.com/qfpay-worker/qfpay-worker/internal/redistest"
	"github.com/qfpay-worker/qfpay-worker/tasks"
)

// evil is a text with characters that a terminal obeys or that turn a line around, and shownEvil
// the same as it is shown.
const (
	evil      = "javascript:x\u202e\u009b1m\x1b]0;t\a"
	shownEvil = `javascript:x\u202e\u009b1m\u001b]0;t\u0007`
)

// A result is in the stream as QFPay sent it, and comes to a terminal without what it would obey.
// As JSON, its value is the same.
func TestPrintable_TextFromOutsideIsShownAsEscapes(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	keys := tasks.Keys{Prefix: tasks.DefaultPrefix}
	r := tasks.Result{V: "1", ID: "default:A1", Merchant: "default", OutTradeNo: "A1", Outcome: "rejected", Reason: evil, RespCd: evil, QRCode: evil}
	if err := server.Client(t).XAdd(t.Context(), &redis.XAddArgs{Stream: keys.Results(), Values: r.Values()}).Err(); err != nil {
		t.Fatal(err)
	}
	for _, args := range [][]string{{"results"}, {"results", "--format=json"}} {
		got := command(t, []string{"REDIS_URL=" + server.URL}, args...)
		if strings.Contains(got.out, "\x1b") || strings.Contains(got.out, "\u202e") || !strings.Contains(got.out, shownEvil) {
			t.Errorf("%q: %q", args, got.out)
		}
	}
	if got := command(t, nil, "results", "--from", evil); strings.ContainsAny(got.err, "\x1b\u202e") {
		t.Errorf("in an error: %q", got.err)
	}
}

func TestPrintable_LogLinesShowEscapes(t *testing.T) {
	t.Parallel()
	for _, format := range []string{"json", "text"} {
		var out bytes.Buffer
		LogSettings{Level: slog.LevelInfo, Format: format}.Logger(&out).Warn("QFPay refused", "respmsg", evil, "error", errors.New(evil))
		line := strings.TrimSuffix(out.String(), "\n")
		if strings.ContainsAny(line, "\x1b\a\n\u202e\u009b") || strings.Count(line, `\u202e`) != 2 {
			t.Errorf("%s: %q", format, line)
		}
	}
}
