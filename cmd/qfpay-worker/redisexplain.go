package main

import (
	"bufio"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"
)

// explain adds to the error of a Redis that does not answer what to change in REDIS_URL, if that
// can be found out. Then it is an inputError.
func (r Redis) explain(ctx context.Context, err error) error {
	if _, away := errors.AsType[turnedAwayError](err); away || ctx.Err() != nil {
		return err
	}
	if why := r.turnedAway(ctx); why != nil {
		return why
	}
	hint := hintFor(err)
	if hint == "" {
		hint = r.hintOf(ctx, err)
	}
	if hint == "" {
		return err
	}
	return inputError{fmt.Errorf("%w\n%s", err, hint)}
}

// hintFor returns what the error itself shows.
func hintFor(err error) string {
	var unknown x509.UnknownAuthorityError
	switch text := strings.ToLower(err.Error()); {
	case errors.As(err, &unknown):
		return "Set REDIS_TLS_CA_FILE to the certificate of the authority that signed the server's"
	case strings.Contains(text, "tls: certificate required"):
		return "The server demands a client certificate: set REDIS_TLS_CERT_FILE and REDIS_TLS_KEY_FILE"
	case strings.Contains(text, "cluster support disabled"):
		return "This Redis is not a cluster: use redis:// instead of redis-cluster://"
	case strings.Contains(text, "unknown command"):
		return "This is a proxy, or a server that is not Redis, without commands that are needed: connect to Redis itself"
	}
	return ""
}

// askTimeout bounds each question of hintOf.
const askTimeout = time.Second

// hintOf asks the servers, without go-redis, what they are.
func (r Redis) hintOf(ctx context.Context, err error) string {
	if r.single != nil && r.single.Network == "unix" {
		return ""
	}
	for _, addr := range r.addrs() {
		ctx, cancel := context.WithTimeout(ctx, 4*askTimeout)
		defer cancel()
		if hint := r.hintAt(ctx, addr); hint != "" {
			return hint
		}
	}
	var answer redis.Error
	if r.sentinel != nil && errors.As(err, &answer) {
		return r.missingMaster(ctx)
	}
	return ""
}

// turnedAway returns what a server says that takes no connection. A connection on which nothing is
// written is not reset before that is read.
func (r Redis) turnedAway(ctx context.Context) error {
	if r.single != nil && r.single.Network == "unix" {
		return nil
	}
	for _, addr := range r.addrs() {
		conn, err := dialFor(ctx, addr)
		if err != nil {
			continue
		}
		defer conn.Close()
		conn.SetDeadline(time.Now().Add(askTimeout / 5))
		if _, err := (&firstAnswer{Conn: conn}).Read(make([]byte, 512)); err != nil {
			if away, is := errors.AsType[turnedAwayError](err); is {
				return away
			}
		}
	}
	return nil
}

// addrs returns the host:port that the URL names.
func (r Redis) addrs() []string {
	switch {
	case r.sentinel != nil:
		return r.sentinel.SentinelAddrs
	case r.cluster != nil:
		return r.cluster.Addrs
	}
	return []string{r.single.Addr}
}

// hintAt returns what is wrong with the way to one server.
func (r Redis) hintAt(ctx context.Context, addr string) string {
	answers, hangsUp := asksInClear(ctx, addr)
	switch withTLS := r.options().tls != nil; {
	case withTLS && answers:
		return fmt.Sprintf("%s does not speak TLS: use redis:// instead of rediss:// (with redis-sentinel:// and redis-cluster://, leave out tls=true)", addr)
	case withTLS:
		return ""
	case hangsUp:
		return fmt.Sprintf("%s answers PING, but hangs up at HELLO, as a proxy does that does not know the commands which are needed (twemproxy): connect to Redis itself", addr)
	case !answers && speaksTLS(ctx, addr):
		return fmt.Sprintf("%s speaks TLS: use rediss:// instead of redis:// (with redis-sentinel:// and redis-cluster://, add tls=true)", addr)
	}
	return ""
}

// asksInClear reports whether a server answers PING without TLS, and whether it then hangs up at
// HELLO, with which go-redis begins.
func asksInClear(ctx context.Context, addr string) (answers, hangsUp bool) {
	conn, err := dialFor(ctx, addr)
	if err != nil {
		return false, false
	}
	defer conn.Close()
	in := bufio.NewReader(conn)
	ask := func(command string) ([]byte, error) {
		if _, err := conn.Write([]byte(command)); err != nil {
			return nil, err
		}
		return in.ReadSlice('\n')
	}
	line, err := ask("*1\r\n$4\r\nPING\r\n")
	if err != nil || line[0] != '+' && line[0] != '-' || turnsAway(line) {
		return false, false
	}
	_, err = ask("*2\r\n$5\r\nHELLO\r\n$1\r\n2\r\n")
	var late net.Error
	return true, err != nil && !(errors.As(err, &late) && late.Timeout())
}

// speaksTLS reports whether a server answers the first words of TLS. What its certificate says
// does not matter: nothing is sent.
func speaksTLS(ctx context.Context, addr string) bool {
	conn, err := dialFor(ctx, addr)
	if err != nil {
		return false
	}
	defer conn.Close()
	err = tls.Client(conn, &tls.Config{InsecureSkipVerify: true}).HandshakeContext(ctx)
	var alert *net.OpError
	return err == nil || errors.As(err, &alert) && alert.Op == "remote error"
}

// dialFor connects for one question.
func dialFor(ctx context.Context, addr string) (net.Conn, error) {
	conn, err := (&net.Dialer{Timeout: askTimeout}).DialContext(ctx, "tcp", addr)
	if err == nil {
		conn.SetDeadline(time.Now().Add(askTimeout))
	}
	return conn, err
}

// missingMaster returns which masters the Sentinels watch, if none is that of the URL.
func (r Redis) missingMaster(ctx context.Context) string {
	for _, addr := range r.sentinel.SentinelAddrs {
		sentinel := redis.NewSentinelClient(&redis.Options{Addr: addr, Dialer: r.sentinel.Dialer,
			Username: r.sentinel.SentinelUsername, Password: r.sentinel.SentinelPassword})
		defer sentinel.Close()
		answer, err := sentinel.Masters(ctx).Result()
		if err != nil {
			continue
		}
		names := masterNames(answer)
		if slices.Contains(names, r.sentinel.MasterName) {
			return ""
		}
		return fmt.Sprintf("The Sentinel at %s watches no master of the name %s. It watches: %s. Set master= in REDIS_URL",
			addr, r.sentinel.MasterName, strings.Join(names, ", "))
	}
	return ""
}

// masterNames reads the answer to SENTINEL MASTERS, in RESP2 or RESP3.
func masterNames(answer []any) []string {
	var names []string
	for _, one := range answer {
		switch fields := one.(type) {
		case map[any]any:
			names = append(names, fmt.Sprint(fields["name"]))
		case []any:
			for i := 0; i+1 < len(fields); i += 2 {
				if fields[i] == "name" {
					names = append(names, fmt.Sprint(fields[i+1]))
				}
			}
		}
	}
	return names
}
