package rig

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"strings"
	"time"
)

// Commands counts what clients asked of a Redis, by command, and scripts by their
// hash. A script counts once, whatever it does.
type Commands map[string]int

// Sum is how many there were.
func (c Commands) Sum() int {
	n := 0
	for _, count := range c {
		n += count
	}
	return n
}

// PerOrder is how many of them each of n orders took, of scripts and additions to a
// stream. What was asked less than once for two orders is not the orders': workers ask
// for other things as well.
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

// Monitor watches a Redis with MONITOR, which shows each command and, marked "lua",
// those within scripts. Redis is slower meanwhile: it is for counting, not for
// timing.
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

// Stop ends the watch and returns what was counted.
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

// kind is the command's name, and for a script its hash.
func kind(command string) string {
	words := strings.SplitN(command, " ", 3)
	name := strings.ToLower(strings.Trim(words[0], "\"\n"))
	if name == "evalsha" && len(words) > 1 {
		name += " " + strings.Trim(words[1], `"`)
	}
	return name
}
