// Package redisbound bounds what Redis may answer on a connection, so that nothing that others have
// put there uses up the memory of a worker.
//
// A connection with a longer answer is closed when the length is announced, before there is memory
// for it. What the command did in Redis is done all the same: the caller must look for it.
//
// Start reading at [Install].
package redisbound

import (
	"context"
	"errors"
	"fmt"
	"net"
	"syscall"

	"github.com/redis/go-redis/v9"
)

// The bounds, in bytes. The longest text that a worker wants is an order with its traceparent, and
// the longest answer a few thousand orders.
const (
	Text   = 128 << 10
	Answer = 8 << 20 // to all commands of a pipeline together

	kept = 4 << 10 // of a text that is too long
)

// TooLongError says that an answer was not read, because it is too long.
type TooLongError struct {
	Bytes, Most int64
	Beginning   string // of the text that is too long; empty where there are too many
}

// Error implements error.
func (e *TooLongError) Error() string {
	return fmt.Sprintf("Redis answers with %d bytes where at most %d are read", e.Bytes, e.Most)
}

// Exceeded returns the error of a command that failed because its answer is too long.
func Exceeded(err error) (*TooLongError, bool) { return errors.AsType[*TooLongError](err) }

// Install bounds the answers on all connections that rdb makes from now on.
func Install(rdb redis.UniversalClient) {
	if cluster, is := rdb.(*redis.ClusterClient); is { // it dials nothing itself
		cluster.OnNewNode(func(node *redis.Client) { node.AddHook(hook{}) })
		return
	}
	rdb.AddHook(hook{})
}

// hook bounds the connections of a client.
type hook struct{}

// DialHook implements [redis.Hook].
func (hook) DialHook(next redis.DialHook) redis.DialHook {
	return func(ctx context.Context, network, addr string) (net.Conn, error) {
		c, err := next(ctx, network, addr)
		if err != nil {
			return nil, err
		}
		bounded := &conn{Conn: c}
		if raw, is := c.(syscall.Conn); is { // go-redis asks it whether an idle connection is still open
			return struct {
				*conn
				syscall.Conn
			}{bounded, raw}, nil
		}
		return bounded, nil
	}
}

// ProcessHook implements [redis.Hook].
func (hook) ProcessHook(next redis.ProcessHook) redis.ProcessHook { return next }

// ProcessPipelineHook implements [redis.Hook].
func (hook) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return next
}
