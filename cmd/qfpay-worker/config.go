package main

import (
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/qfpay-worker/qfpay-worker/tasks"
)

// Config holds every setting of the worker as text, from the environment or from flags. A
// flag has the name of its variable in lower case, with hyphens. All fields are text so
// that one pass, [Config.Resolve], can report all invalid settings together, by the name
// of the variable.
type Config struct {
	RedisConfig
	GatewayConfig
	WorkerConfig
	PaymentsConfig
	API APIConfig `embed:""`
	LogConfig
}

// WorkerConfig configures the worker itself.
type WorkerConfig struct {
	Concurrency     string `name:"worker-concurrency" group:"Worker" default:"64" help:"The most orders in flight at once, per lane."`
	HTTPAddr        string `name:"worker-http-addr" group:"Worker" default:"127.0.0.1:9464" help:"Address of /metrics, /healthz and /readyz."`
	ShutdownTimeout string `name:"worker-shutdown-timeout" group:"Worker" default:"25s" help:"How long a shutdown waits for orders in flight; after it, unfinished ones go back to the queue. Longer than QFPAY_TIMEOUT."`
	ResultsKeep     string `name:"worker-results-keep" group:"Worker" default:"168h" help:"The longest time for which results are kept. Results that every consumer group has acknowledged are removed after a day."`
	DurabilityConfig
	HighWaterConfig
}

// HighWaterConfig limits the result stream. Every command that accepts orders has it.
type HighWaterConfig struct {
	HighWater string `name:"worker-results-high-water" group:"Worker" default:"5000000" help:"No new orders are accepted while the stream holds this many results. 0: no limit."`
}

func (c HighWaterConfig) resolve(found *checks) int {
	return found.integer("WORKER_RESULTS_HIGH_WATER", c.HighWater, 0, math.MaxInt32)
}

// Settings is a checked Config, as values.
type Settings struct {
	Redis Redis
	Keys  tasks.Keys
	GatewaySettings

	Concurrency     int    // per lane
	HTTPAddr        string // host:port
	ShutdownTimeout time.Duration
	Durability      tasks.Durability
	ResultsKeep     time.Duration
	HighWater       int // results in the stream; 0: no limit

	PaymentsSettings

	API APISettings
	Log LogSettings

	Warnings []string // what is risky and not wrong
}

// Resolve checks all settings and returns them as values. It reads the files that settings
// name, and has no other effect. The error is a SettingErrors.
func (c Config) Resolve() (Settings, error) {
	var found checks
	allowHTTP, _ := strconv.ParseBool(strings.TrimSpace(c.AllowHTTP)) // the gateway's settings report what is wrong with it
	s := Settings{
		Redis: c.redis(&found),
		Keys:  c.keys(&found),
		Log:   c.LogConfig.resolve(&found),

		GatewaySettings: c.GatewayConfig.resolve(&found),
	}
	c.WorkerConfig.resolve(&found, &s)
	s.PaymentsSettings = c.PaymentsConfig.resolve(&found, allowHTTP)
	s.API = c.API.resolve(&found)
	s.Warnings = found.warnings
	return s, found.err()
}

// Resolve checks the settings of commands that need only Redis.
func (c RedisConfig) Resolve() (Redis, tasks.Keys, error) {
	var found checks
	r, k := c.redis(&found), c.keys(&found)
	return r, k, found.err()
}

func (c WorkerConfig) resolve(found *checks, s *Settings) {
	s.Concurrency = found.integer("WORKER_CONCURRENCY", c.Concurrency, 1, 10000)
	s.HTTPAddr = listenAddr(found, "WORKER_HTTP_ADDR", "9464", c.HTTPAddr)
	s.Durability = c.DurabilityConfig.resolve(found)
	s.HighWater = c.HighWaterConfig.resolve(found)
	s.ResultsKeep = found.duration("WORKER_RESULTS_KEEP", c.ResultsKeep, time.Hour, 9000*time.Hour)
	before := len(found.wrong)
	s.ShutdownTimeout = found.duration("WORKER_SHUTDOWN_TIMEOUT", c.ShutdownTimeout, time.Second, 10*time.Minute)
	// If a shutdown could end before a call does, every restart would lose answers, and so
	// would put orders in doubt.
	if len(found.wrong) == before && s.ShutdownTimeout <= s.Timeout {
		found.failed("WORKER_SHUTDOWN_TIMEOUT", "must be longer than QFPAY_TIMEOUT (%s), not %s, so that calls in flight can be answered", s.Timeout, s.ShutdownTimeout)
	}
}
