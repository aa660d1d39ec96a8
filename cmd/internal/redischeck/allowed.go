package redischeck

import (
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/qfpay-worker/qfpay-worker/internal/redispipe"
	"github.com/qfpay-worker/qfpay-worker/internal/redisserver"
	"github.com/qfpay-worker/qfpay-worker/tasks"
)

// subscribeTimeout is how long the answer to SUBSCRIBE may take.
const subscribeTimeout = 5 * time.Second

// refusals asks the servers to do what a role does, and returns what they refuse. An error means
// that one did not answer. Nothing is done: Redis refuses a command that the user may not run, or
// with such a key, when it takes it into a transaction, and each transaction is discarded. (In a
// script, redis.acl_check_cmd of 7.0.15 crashes the server when it is given too few words.)
func refusals(ctx context.Context, rdb redis.UniversalClient, keys tasks.Keys, role Role) ([]problem, error) {
	rights := RightsOf(role, keys)
	var found findings
	for _, pattern := range rights.Keys {
		if err := found.try(ctx, rdb, pattern, rights.Commands); err != nil {
			return nil, err
		}
	}
	for _, channel := range rights.Channels {
		err := subscribe(ctx, rdb, channel)
		if err != nil && !answered(err) {
			return nil, err
		}
		found.addChannel(channel, err)
	}
	return found.problems(), nil
}

// try tries commands with a key that matches a pattern, on the server of that key.
func (f *findings) try(ctx context.Context, rdb redis.UniversalClient, pattern string, commands []string) error {
	key := strings.ReplaceAll(pattern, "*", "check")
	node, err := redisserver.ForKey(ctx, rdb, key)
	if err != nil {
		return err
	}
	whole, err := f.transactions(ctx, node, pattern, slices.Contains(commands, "exec"))
	if err != nil {
		return err
	}
	pipe := node.Pipeline()
	if whole {
		pipe.Do(ctx, "multi")
	}
	tried := map[string]*redis.Cmd{}
	for _, c := range commands {
		if words := form(c, key); words != nil && (whole || slices.Contains(harmless, c)) {
			tried[c] = pipe.Do(ctx, words...)
		}
	}
	if whole {
		pipe.Do(ctx, "discard")
	}
	redispipe.Exec(ctx, pipe) // its error is that of a command
	for _, c := range commands {
		if answer := tried[c]; answer != nil {
			if err := notAnswered(answer.Err()); err != nil {
				return err
			}
			f.add(c, pattern, answer.Err())
		}
	}
	return nil
}

// transactions reports whether the user may begin a transaction. Without one the commands would be
// carried out.
func (f *findings) transactions(ctx context.Context, node redis.UniversalClient, pattern string, needed bool) (bool, error) {
	pipe := node.Pipeline()
	pipe.Do(ctx, "multi")
	pipe.Do(ctx, "discard")
	err := redispipe.Exec(ctx, pipe)
	if err == nil {
		return true, nil
	}
	if needed && answered(err) {
		f.add("multi", pattern, err)
	}
	return false, notAnswered(err)
}

// notAnswered returns err unless it is an answer of Redis.
func notAnswered(err error) error {
	if err != nil && answered(err) {
		return nil
	}
	return err
}

// answered reports whether an error is an answer of Redis.
func answered(err error) bool {
	_, is := errors.AsType[redis.Error](err)
	return is
}

func subscribe(ctx context.Context, rdb redis.UniversalClient, channel string) error {
	s := rdb.Subscribe(ctx, channel)
	defer s.Close()
	_, err := s.ReceiveTimeout(ctx, subscribeTimeout)
	return err
}

// findings are what a server has refused.
type findings struct {
	keys, channels, commands []string
	others                   []problem
}

func (f *findings) add(command, pattern string, err error) {
	switch {
	case err == nil:
	case !redis.HasErrorPrefix(err, "NOPERM"):
		f.addOther(command, err)
	case strings.Contains(err.Error(), "permissions to access"):
		f.keys = append(f.keys, pattern)
	default:
		f.commands = append(f.commands, command)
	}
}

func (f *findings) addChannel(channel string, err error) {
	switch {
	case err == nil:
	case !redis.HasErrorPrefix(err, "NOPERM"):
		f.addOther("subscribe", err)
	case strings.Contains(err.Error(), "permissions to access"):
		f.channels = append(f.channels, channel)
	default:
		f.commands = append(f.commands, "subscribe")
	}
}

// addOther reads the answers that are not about rights. Those of a Redis that may soon be well
// again (out of memory, loading) do not count: a worker waits for that.
func (f *findings) addOther(command string, err error) {
	switch text := strings.ToLower(err.Error()); {
	case redis.HasErrorPrefix(err, "READONLY"):
		f.other(fatal("this Redis is a read-only replica (READONLY): set REDIS_URL to the primary, or to its Sentinels"))
	case redis.HasErrorPrefix(err, "MOVED"), redis.HasErrorPrefix(err, "CROSSSLOT"):
		f.other(oneNode)
	case strings.Contains(text, "unknown command"), strings.Contains(text, "not supported"):
		f.other(fatal("%s is not known here (%v): this is a proxy, or a server that is not Redis; connect to Redis itself",
			strings.ToUpper(command), err))
	}
}

// other adds a problem, once.
func (f *findings) other(p problem) {
	if !slices.Contains(f.others, p) {
		f.others = append(f.others, p)
	}
}

// problems returns one problem for each kind of right that is missing, and the others.
func (f *findings) problems() []problem {
	all := f.others
	for _, missing := range []struct {
		what, sign string
		names      []string
	}{{"keys", "~", f.keys}, {"channel", "&", f.channels}, {"commands", "+", f.commands}} {
		if len(missing.names) == 0 {
			continue
		}
		slices.Sort(missing.names)
		names := slices.Compact(missing.names)
		all = append(all, fatal("the user of REDIS_URL may not use the %s %s: give it the right (ACL SETUSER), %s",
			missing.what, strings.Join(names, ", "), missing.sign+strings.Join(names, " "+missing.sign)))
	}
	return all
}
