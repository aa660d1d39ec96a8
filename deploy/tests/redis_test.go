package deploy

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/redis/go-redis/v9"

	"github.com/qfpay-worker/qfpay-worker/internal/redistest"
)

// The exact command of the redis service keeps its data after a restart.
func TestCompose_RedisKeepsOrders(t *testing.T) {
	t.Parallel()
	command := compose(t).Services["redis"].Command
	if command[0] != "redis-server" {
		t.Fatalf("redis runs %q", command)
	}
	if i := slices.Index(command, "--aclfile"); i > 0 {
		command = slices.Delete(slices.Clone(command), i, i+2) // the test asks as the default user
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

// The users are those that the program prints, with the sample password, and Redis takes the file.
func TestCompose_RedisHasTheUsersThatAreNeeded(t *testing.T) {
	t.Parallel()
	project := compose(t)
	file := filepath.Join(root, "deploy/compose/users.acl")
	text, err := os.ReadFile(file)
	redistest.OK(t, err)
	password, err := os.ReadFile(project.Secrets["redis_password"].File)
	redistest.OK(t, err)
	acl := exec.Command("go", "run", "./cmd/qfpay-worker", "acl")
	acl.Dir = root
	printed, err := acl.Output()
	redistest.OK(t, err)
	want := "user default on nopass resetkeys resetchannels -@all +ping\n"
	for line := range strings.Lines(string(printed)) {
		name, rights, _ := strings.Cut(strings.TrimPrefix(line, "ACL SETUSER "), " ")
		want += "user " + name + " on >" + strings.TrimSpace(string(password)) + " " + rights
	}
	if string(text) != want {
		t.Errorf("users.acl is not what qfpay-worker acl prints, with the sample password; it should be:\n%s", want)
	}
	absolute, err := filepath.Abs(file)
	redistest.OK(t, err)
	server := redistest.Start(t, "--aclfile", absolute)
	for name, role := range map[string]string{"worker": "worker", "producer": "producer"} {
		url := variable(t, project.Services[name], "REDIS_URL")
		if url != "redis://qfpay-"+role+"@redis:6379/0" || variable(t, project.Services[name], "REDIS_PASSWORD_FILE") != "/run/secrets/redis_password" {
			t.Errorf("%s uses %s", name, url)
		}
		rdb := redis.NewClient(&redis.Options{Network: "unix", Addr: server.Socket, Username: "qfpay-" + role, Password: strings.TrimSpace(string(password))})
		defer rdb.Close()
		redistest.OK(t, rdb.Ping(t.Context()).Err())
	}
}
