// Package redisserver finds the server of a Redis that has a key, walks through what a SCAN finds
// there, and reads the answer of INFO. It knows no key and no promise of this project.
package redisserver

import (
	"context"
	"fmt"
	"strings"

	"github.com/redis/go-redis/v9"
)

// ForKey returns a client of the one server that has the key: on a Cluster the primary of its
// slot, otherwise rdb itself. Commands without a key need it: a Cluster client sends them to
// any node.
func ForKey(ctx context.Context, rdb redis.UniversalClient, key string) (redis.UniversalClient, error) {
	cluster, ok := rdb.(*redis.ClusterClient)
	if !ok {
		return rdb, nil
	}
	node, err := cluster.MasterForKey(ctx, key)
	if err != nil {
		return nil, fmt.Errorf("find the node of %s: %w", key, err)
	}
	return node, nil
}

// ParseInfo reads the answer of INFO: lines of name:value, and headings.
func ParseInfo(text string) map[string]string {
	info := map[string]string{}
	for line := range strings.Lines(text) {
		if name, value, ok := strings.Cut(strings.TrimRight(line, "\r\n"), ":"); ok && name != "" && name[0] != '#' {
			info[name] = value
		}
	}
	return info
}
