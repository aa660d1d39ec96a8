package asynqhook

import (
	"context"
	"fmt"
	"log/slog"

	"github.com/hibiken/asynq"

	"github.com/qfpay-worker/qfpay-worker/worker/internal/lately"
)

// Logger returns a logger for asynq's servers.
func Logger(log *slog.Logger) asynq.Logger { return &logger{log: log} }

// logger passes asynq's log lines on, each text once in [timing.LogAgain]. While Redis fails, both
// servers of asynq repeat the same lines every few seconds.
type logger struct {
	log    *slog.Logger
	lately lately.Texts
}

func (l *logger) say(level slog.Level, args []any) {
	text := fmt.Sprint(args...)
	if !l.lately.Repeats(text) {
		l.log.Log(context.Background(), level, text, "by", "asynq")
	}
}

// Debug implements [asynq.Logger].
func (l *logger) Debug(args ...any) { l.say(slog.LevelDebug, args) }

// Info implements [asynq.Logger].
func (l *logger) Info(args ...any) { l.say(slog.LevelInfo, args) }

// Warn implements [asynq.Logger].
func (l *logger) Warn(args ...any) { l.say(slog.LevelWarn, args) }

// Error implements [asynq.Logger].
func (l *logger) Error(args ...any) { l.say(slog.LevelError, args) }

// Fatal implements [asynq.Logger]. It does not end the process; main decides that.
func (l *logger) Fatal(args ...any) { l.say(slog.LevelError, args) }
