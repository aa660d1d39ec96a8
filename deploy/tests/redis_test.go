package deploy

import (
	"testing"

	"github.com/qfpay-worker/qfpay-worker/internal/redistest"
)

// The exact command of the redis service keeps its data after a restart.
func TestCompose_RedisKeepsOrders(t *testing.T) {
	t.Parallel()
	command := compose(t).Services["redis"].Command
	if command[0] != "redis-server" {
		t.Fatalf("redis runs %q", command)
	}
	rdb := redistest.Start(t, command[1:]...).Client(t)
	for name, want := range map[string]string{
		"appendonly":       "yes",
		"appendfsync":      "everysec",
		"maxmemory-policy": "noeviction",
		"maxmemory":        "536870912",
	} {
		got, err := rdb.ConfigGet(t.Context(), name).Result()
		if err != nil {
			t.Fatal(err)
		}
		if got[name] != want {
			t.Errorf("%s is %q, want %q", name, got[name], want)
		}
	}
}
