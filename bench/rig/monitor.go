package rig

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"strings"
	"time"
)

// Commands counts the commands of clients by name, and scripts by their hash. A script counts once,
// without the commands in it.
type Commands map[string]int

// Sum returns the number of all commands.
func (c Commands) Sum() int {
	n := 0
	for _, count := range c {
		n += count
	}
	return n
}

// PerOrder returns the number of scripts and stream additions for each of n orders. A command that
// occurs less than once for two orders does not belong to orders: workers have other commands too.
func (c Commands) PerOrder(n int) float64 {
	sum := 0
	for kind, count := range c {
		isCall := strings.HasPrefix(kind, "evalsha ") || kind == "eval" || kind == "xadd"
		if isCall && 2*count >= n {
			sum += count
		}
	}
	return float64(sum) / float64(n)
}

// Monitor watches a Redis with MONITOR, which shows each command and, marked "lua", those in
// scripts. It slows Redis down, so it is for counts and not for times.
type Monitor struct {
	conn net.Conn
	done chan Commands
}

// Monitor begins to watch.
func (s *Redis) Monitor() (*Monitor, error) {
	conn, err := net.DialTimeout("tcp", s.Addr, 5*time.Second)
	if err != nil {
		return nil, err
	}
	if _, err := io.WriteString(conn, "MONITOR\r\n"); err != nil {
		return nil, err
	}
	lines := bufio.NewReader(conn)
	if answer, err := lines.ReadString('\n'); err != nil || !strings.HasPrefix(answer, "+OK") {
		return nil, fmt.Errorf("MONITOR: %q, %v", answer, err)
	}
	m := &Monitor{conn: conn, done: make(chan Commands, 1)}
	go func() { m.done <- count(lines) }()
	return m, nil
}

// Stop ends the watch and returns the counts.
func (m *Monitor) Stop() Commands {
	m.conn.Close()
	return <-m.done
}

// count reads lines such as
//
//	+1700000000.123456 [0 127.0.0.1:5000] "evalsha" "…"
//
// until the connection is closed.
func count(lines *bufio.Reader) Commands {
	seen := Commands{}
	for {
		line, err := lines.ReadString('\n')
		if err != nil {
			return seen
		}
		_, rest, _ := strings.Cut(line, " [")
		client, command, ok := strings.Cut(rest, "] ")
		if !ok || strings.HasSuffix(client, " lua") {
			continue
		}
		seen[kind(command)]++
	}
}

// kind returns the command's name, or the hash of a script.
func kind(command string) string {
	words := strings.SplitN(command, " ", 3)
	name := strings.ToLower(strings.Trim(words[0], "\"\n"))
	if name == "evalsha" && len(words) > 1 {
		name += " " + strings.Trim(words[1], `"`)
	}
	return name
}
