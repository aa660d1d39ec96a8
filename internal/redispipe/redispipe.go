// Package redispipe runs pipelines of go-redis so that no command looks as if it had succeeded when
// it was not sent.
package redispipe

import (
	"context"
	"errors"
	"io"
	"syscall"

	"github.com/redis/go-redis/v9"
)

// Exec runs a pipeline. It is [redis.Pipeliner.Exec] with one difference: after an error, at least
// one command has an error too. go-redis (9.23) returns from Exec alone what a server answers to the
// first words of a connection (HELLO, AUTH, SELECT: a user that was switched off, a changed
// password), and leaves the commands without an error and without an answer. Then every command
// gets that error.
func Exec(ctx context.Context, pipe redis.Pipeliner) error {
	cmds, err := pipe.Exec(ctx)
	if err == nil {
		return nil
	}
	for _, cmd := range cmds {
		if cmd.Err() != nil {
			return err
		}
	}
	for _, cmd := range cmds {
		cmd.SetErr(err)
	}
	return err
}

// Cut reports whether a command failed because its connection ended: Redis has not refused it. A
// proxy that ends idle connections does that to every command that waits for something.
func Cut(err error) bool {
	return errors.Is(err, io.EOF) || errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE)
}
