package main

import (
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/qfpay-worker/qfpay-worker/worker"
)

// reloading is a reloader on a bubble's clock, with the merchants that it has set.
type reloading struct {
	t    *testing.T
	hup  chan os.Signal
	fail error // returned when merchants are set
	log  lockedBuffer

	mu  sync.Mutex
	set [][]worker.Merchant
}

// reloadFrom runs a reloader in a bubble.
func reloadFrom(t *testing.T, c GatewayConfig, test func(*reloading)) {
	c.SignType, c.PerSecond, c.PerMinute, c.AllowHTTP = "SHA256", "100", "400", "false"
	synctest.Test(t, func(t *testing.T) {
		on := &reloading{t: t}
		r := &reloader{config: c, watch: watch{config: c}, hup: make(chan os.Signal, 1)}
		r.read = r.watch.digest()
		on.hup = r.hup
		stop := r.start(t.Context(), slog.New(slog.NewTextHandler(&on.log, nil)), func(merchants []worker.Merchant) error {
			on.mu.Lock()
			defer on.mu.Unlock()
			if on.fail == nil {
				on.set = append(on.set, merchants)
			}
			return on.fail
		})
		defer stop()
		synctest.Wait()
		test(on)
		if strings.Contains(on.log.String(), canary) {
			t.Error("a key was logged")
		}
	})
}

// after waits on the bubble's clock.
func (on *reloading) after(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

// want checks how often merchants were set, and the key that the first one has now.
func (on *reloading) want(times int, key string) {
	on.t.Helper()
	on.mu.Lock()
	defer on.mu.Unlock()
	if len(on.set) != times {
		on.t.Fatalf("merchants were set %d times, want %d; the log:\n%s", len(on.set), times, on.log.String())
	}
	if times > 0 && string(on.set[times-1][0].Key) != key {
		on.t.Errorf("another key than %q is in effect", key)
	}
}

func (on *reloading) write(path, text string) {
	on.t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		on.t.Fatal(err)
	}
}

// oneKey returns the configuration of one merchant, and its key file.
func oneKey(t *testing.T) (GatewayConfig, string) {
	key := file(t, "key", canary+"-one")
	return GatewayConfig{BaseURL: "https://h", AppCode: "A", ClientKeyFile: key}, key
}

func TestReload_ChangedKeyFileIsReadAgain(t *testing.T) {
	c, key := oneKey(t)
	reloadFrom(t, c, func(on *reloading) {
		on.after(10 * pollInterval)
		on.want(0, "")
		on.write(key, canary+"-two\n")
		on.after(pollInterval + settleTime)
		on.want(1, canary+"-two")
		on.after(10 * pollInterval)
		on.want(1, canary+"-two")
	})
}

// Half a key looks like a key.
func TestReload_FileThatIsBeingWrittenIsLeftAlone(t *testing.T) {
	c, key := oneKey(t)
	reloadFrom(t, c, func(on *reloading) {
		on.after(pollInterval - time.Millisecond)
		for n := range 5 {
			on.write(key, (canary + "-two")[:len(canary)+n])
			on.after(settleTime)
			on.want(0, "")
		}
		on.after(settleTime)
		on.want(1, canary+"-two")
	})
}

func TestReload_SIGHUPReadsAgainAtOnce(t *testing.T) {
	c, key := oneKey(t)
	reloadFrom(t, c, func(on *reloading) {
		on.hup <- os.Interrupt // the reloader does not look at which signal it is
		synctest.Wait()
		on.want(1, canary+"-one")
		on.write(key, canary+"-two")
		on.hup <- os.Interrupt
		synctest.Wait()
		on.want(2, canary+"-two")
		on.after(2 * pollInterval)
		on.want(2, canary+"-two")
	})
}

func TestReload_WrongFileChangesNothingAndIsNamedOnce(t *testing.T) {
	c, key := oneKey(t)
	reloadFrom(t, c, func(on *reloading) {
		on.write(key, canary+" with spaces")
		on.after(5 * pollInterval)
		on.want(0, "")
		log := on.log.String()
		if n := strings.Count(log, "QFPAY_CLIENT_KEY_FILE: "+key+": must be printable"); n != 1 {
			t.Errorf("the wrong setting is named %d times:\n%s", n, log)
		}
		if err := os.Remove(key); err != nil {
			t.Fatal(err)
		}
		on.after(5 * pollInterval)
		on.want(0, "")
		if !strings.Contains(on.log.String(), "QFPAY_CLIENT_KEY_FILE: "+key+" cannot be read") {
			t.Errorf("the missing file is not named:\n%s", on.log.String())
		}
		on.write(key, canary+"-two")
		on.after(pollInterval + settleTime)
		on.want(1, canary+"-two")
	})
}

// If the worker refuses the merchants, the error names the setting they came from.
func TestReload_RefusalOfTheWorkerIsNamedToo(t *testing.T) {
	c, _ := oneKey(t)
	reloadFrom(t, c, func(on *reloading) {
		on.fail = errors.New("two merchants are one account")
		on.hup <- os.Interrupt
		synctest.Wait()
		if log := on.log.String(); !strings.Contains(log, "QFPAY_APP_CODE: two merchants are one account") || !strings.Contains(log, "ERROR") {
			t.Errorf("the log:\n%s", log)
		}
	})
}

// This is how Kubernetes mounts a Secret: every file is a link into a directory that is
// itself a link, and an update replaces the link of the directory.
func TestReload_MerchantsFileAndItsKeysAreReadAgain(t *testing.T) {
	dir := t.TempDir()
	version := func(name, yaml, key, notifyKey string) string {
		must := func(err error) {
			t.Helper()
			if err != nil {
				t.Fatal(err)
			}
		}
		must(os.Mkdir(filepath.Join(dir, name), 0o700))
		must(os.WriteFile(filepath.Join(dir, name, "merchants.yml"), []byte(yaml), 0o600))
		must(os.WriteFile(filepath.Join(dir, name, "a.key"), []byte(key), 0o600))
		must(os.WriteFile(filepath.Join(dir, name, "n.key"), []byte(notifyKey), 0o600))
		must(os.Symlink(name, filepath.Join(dir, "next")))
		must(os.Rename(filepath.Join(dir, "next"), filepath.Join(dir, "..data")))
		return name
	}
	for _, name := range []string{"merchants.yml", "a.key", "n.key"} {
		if err := os.Symlink(filepath.Join("..data", name), filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
	}
	one := right + "  notify_key_file: n.key\n"
	version("v1", one, canary+"-one", canary+"-n1")
	path := filepath.Join(dir, "merchants.yml")
	reloadFrom(t, GatewayConfig{MerchantsFile: path}, func(on *reloading) {
		version("v2", one, canary+"-two", canary+"-n1")
		on.after(pollInterval + settleTime)
		on.want(1, canary+"-two")
		version("v3", one, canary+"-two", canary+"-n2")
		on.after(pollInterval + settleTime)
		on.want(2, canary+"-two")
		if on.set[1][0].NotifyKey != canary+"-n2" {
			t.Error("another notification key is in effect")
		}
		two := right + strings.NewReplacer("name: a", "name: b", "app_code: A", "app_code: B").Replace(right)
		version("v4", two, canary+"-two", canary+"-n2")
		on.after(pollInterval + settleTime)
		on.want(3, canary+"-two")
		if n := len(on.set[2]); n != 2 {
			t.Errorf("%d merchants are in effect, want 2", n)
		}
		version("v5", two+"- name: c\n", canary+"-two", canary+"-n2")
		on.after(pollInterval + settleTime)
		on.want(3, canary+"-two")
		if log := on.log.String(); !strings.Contains(log, "QFPAY_MERCHANTS_FILE: "+path+", line 9: app_code: required") {
			t.Errorf("the log:\n%s", log)
		}
	})
}
