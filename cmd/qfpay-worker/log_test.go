package main

import (
	"encoding/json"
	"log/slog"
	"strings"
	"testing"

	"github.com/redis/go-redis/v9/logging"
)

func TestLog_IsJSONUnlessAPersonReadsIt(t *testing.T) {
	t.Cleanup(logging.Disable) // Logger routes go-redis's messages
	for _, tt := range []struct {
		settings LogSettings
		json     bool
	}{
		{LogSettings{Format: ""}, true}, // a buffer is no terminal
		{LogSettings{Format: "json"}, true},
		{LogSettings{Format: "text"}, false},
	} {
		var out strings.Builder
		tt.settings.Logger(&out).Info("hello", "outcome", "created")
		if got := json.Valid([]byte(out.String())); got != tt.json || !strings.Contains(out.String(), "created") {
			t.Errorf("%+v: %s", tt.settings, out.String())
		}
	}
}

func TestLog_HasALevelAndGoRedisSpeaksInDebug(t *testing.T) {
	t.Cleanup(logging.Disable)
	for level, want := range map[slog.Level]int{slog.LevelDebug: 3, slog.LevelInfo: 1, slog.LevelWarn: 1, slog.LevelError: 0} {
		var out strings.Builder
		log := LogSettings{Level: level, Format: "json"}.Logger(&out)
		log.Debug("a")
		log.Warn("b")
		redisLog{log}.Printf(t.Context(), "connection %d", 1)
		if n := strings.Count(out.String(), "\n"); n != want {
			t.Errorf("level %s: %d lines, want %d:\n%s", level, n, want, out.String())
		}
	}
}
