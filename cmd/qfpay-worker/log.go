package main

import (
	"context"
	"fmt"
	"io"
	"log/slog"

	"github.com/redis/go-redis/v9"

	"github.com/qfpay-worker/qfpay-worker/cmd/internal/console"
	"github.com/qfpay-worker/qfpay-worker/internal/printable"
)

// LogConfig configures the level and format of the log.
type LogConfig struct {
	Level  string `name:"log-level" group:"Log" default:"info" help:"debug, info, warn or error."`
	Format string `name:"log-format" group:"Log" help:"text or json. Default: text on a terminal, else json."`
}

// LogSettings is a checked LogConfig.
type LogSettings struct {
	Level  slog.Level
	Format string // text, json, or empty: text on a terminal, else json
}

func (c LogConfig) resolve(found *checks) LogSettings {
	s := LogSettings{Format: c.Format}
	levels := map[string]slog.Level{"debug": slog.LevelDebug, "info": slog.LevelInfo, "warn": slog.LevelWarn, "error": slog.LevelError}
	s.Level = levels[found.choice("LOG_LEVEL", c.Level, "debug", "info", "warn", "error")]
	if c.Format != "" {
		s.Format = found.choice("LOG_FORMAT", c.Format, "text", "json")
	}
	return s
}

// Logger returns a logger that writes to w. It also receives the messages of go-redis,
// which otherwise go to standard error in another format.
func (s LogSettings) Logger(w io.Writer) *slog.Logger {
	options := &slog.HandlerOptions{Level: s.Level}
	var handler slog.Handler = slog.NewJSONHandler(printable.Writer(w), options)
	if s.Format == "text" || s.Format == "" && console.IsTerminal(w) {
		handler = slog.NewTextHandler(printable.Writer(w), options)
	}
	log := slog.New(handler)
	redis.SetLogger(redisLog{log})
	return log
}

// redisLog logs the messages of go-redis at debug level. They are about single connections,
// which come and go. Code that uses Redis reports its errors itself.
type redisLog struct{ log *slog.Logger }

// Printf implements go-redis's logger.
func (l redisLog) Printf(ctx context.Context, format string, args ...any) {
	l.log.DebugContext(ctx, "redis client", "message", fmt.Sprintf(format, args...))
}

// warn logs what is risky in the settings.
func warn(log *slog.Logger, warnings []string) {
	for _, w := range warnings {
		log.Warn(w)
	}
}
