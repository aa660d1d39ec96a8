package redispipe

import (
	"testing"

	"github.com/qfpay-worker/qfpay-worker/internal/redistest"
)

// A server that refuses the user of a connection has run no command of the pipeline. go-redis says so
// by the error of Exec alone; when that changes, this package can go.
func TestExec_EveryCommandHasTheErrorOfARefusedConnection(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	rdb := server.Refused(t)

	pipe := rdb.Pipeline()
	plain := pipe.Do(t.Context(), "ping")
	if _, err := pipe.Exec(t.Context()); err == nil || plain.Err() != nil {
		t.Errorf("go-redis sets the error now (%v, %v): use its Exec", err, plain.Err())
	}
	pipe = rdb.Pipeline()
	one, two := pipe.Do(t.Context(), "ping"), pipe.Get(t.Context(), "k")
	if err := Exec(t.Context(), pipe); err == nil || one.Err() == nil || two.Err() == nil {
		t.Errorf("errors %v, %v, %v: each must be there", err, one.Err(), two.Err())
	}
}

// A command that failed by itself keeps its own error, and the others keep their answers.
func TestExec_LeavesTheOtherCommandsAlone(t *testing.T) {
	t.Parallel()
	rdb := redistest.Start(t).Client(t)
	pipe := rdb.Pipeline()
	set, wrong := pipe.Set(t.Context(), "k", 1, 0), pipe.LPush(t.Context(), "k", 1)
	if err := Exec(t.Context(), pipe); err == nil || set.Err() != nil || wrong.Err() == nil {
		t.Errorf("errors %v, %v, %v", err, set.Err(), wrong.Err())
	}
}
