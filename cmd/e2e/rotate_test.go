package e2e

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/qfpay-worker/qfpay-worker/internal/redistest"
	"github.com/qfpay-worker/qfpay-worker/qfpay/simulator"
)

// secretVolume is a directory with one key, as Kubernetes mounts a Secret: the file is a link into a
// directory that is itself a link, and an update replaces the link of the directory.
type secretVolume string

func newSecretVolume(t *testing.T, key string) secretVolume {
	t.Helper()
	v := secretVolume(t.TempDir())
	if err := os.Symlink("..data/client_key", v.path()); err != nil {
		t.Fatal(err)
	}
	v.rotate(t, "v1", key)
	return v
}

func (v secretVolume) path() string { return filepath.Join(string(v), "client_key") }

// rotate replaces the key.
func (v secretVolume) rotate(t *testing.T, version, key string) {
	t.Helper()
	dir := filepath.Join(string(v), version)
	next := filepath.Join(string(v), "next")
	for _, do := range []func() error{
		func() error { return os.Mkdir(dir, 0o700) },
		func() error { return os.WriteFile(filepath.Join(dir, "client_key"), []byte(key), 0o400) },
		func() error { return os.Symlink(version, next) },
		func() error { return os.Rename(next, filepath.Join(string(v), "..data")) },
	} {
		if err := do(); err != nil {
			t.Fatal(err)
		}
	}
}

// logs counts the lines of the worker's log that contain a text.
func (w *worker) logs(what string) int { return strings.Count(w.err.text(), what) }

// TestReload_KeyIsRotatedWhileOrdersFlow: other keys take effect without a restart, first a wrong one
// and then none, and no order is lost or doubled.
func TestReload_KeyIsRotatedWhileOrdersFlow(t *testing.T) {
	t.Parallel()
	redis := redistest.Start(t)
	gateway := startGateway(t, "--latency", "20ms-120ms")
	volume := newSecretVolume(t, rightKey)
	file, orders := sampleFile(t, 90)
	w := startWorker(t, settings(redis, gateway, "", "QFPAY_CLIENT_KEY_FILE="+volume.path(),
		"QFPAY_PER_SECOND=10", "QFPAY_TIMEOUT=2s", "WORKER_SHUTDOWN_TIMEOUT=12s"))
	if code, line := enqueue(t, redis, file); code != 0 || line != counts(len(orders), 0, 0) {
		t.Fatalf("enqueue: ended with %d, %q", code, line)
	}
	eventually(t, "orders flow", patience, func() bool { return w.settled(t) > 5 })

	volume.rotate(t, "v2", wrongKey) // found by polling
	w.await(t, w.err, "that the new key is refused", patience, complains)
	if !strings.Contains(w.err.text(), `"changed":["default"]`) {
		t.Error("the log does not say which merchant has changed")
	}
	done := w.settled(t)
	if done == len(orders) {
		t.Fatal("all orders were done before the key changed, so this proves nothing")
	}

	volume.rotate(t, "v3", "")
	w.hangUp(t)
	w.await(t, w.err, "that an empty key is refused, by the variable", patience, func(log string) bool {
		return strings.Contains(log, "QFPAY_CLIENT_KEY_FILE: "+volume.path()+": is empty")
	})
	volume.rotate(t, "v4", rightKey)
	w.hangUp(t)
	began := time.Now()
	follow(t, redis).await(t, len(orders), time.Minute)
	t.Logf("%d orders were done before the wrong key was refused, the others %s after the right one", done, time.Since(began))
	checkBooks(t, orders, results(t, redis), gateway.orders(t))
	if n := w.logs("the merchants have changed"); n != 2 {
		t.Errorf("the merchants have changed %d times, want 2", n)
	}
	if _, page := get(t, w.pages+"/metrics"); !strings.Contains(page, `qfpay_merchant_held{merchant="default",pay_type="",reason="none"} 0`) {
		t.Error("/metrics still shows the merchant as held")
	}
	w.shutDown(t, shutdownTimeout+2*time.Second)
}

// hangUp sends SIGHUP.
func (w *worker) hangUp(t *testing.T) {
	t.Helper()
	if err := w.cmd.Process.Signal(syscall.SIGHUP); err != nil {
		t.Fatal(err)
	}
}

// TestReload_MerchantComesWithTheFile: a merchant is added after its orders.
func TestReload_MerchantComesWithTheFile(t *testing.T) {
	t.Parallel()
	redis := redistest.Start(t)
	gateway := startGateway(t)
	dir := t.TempDir()
	write := func(name, text string) {
		t.Helper()
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	entry := func(name, appCode string) string {
		return "- {name: " + name + ", app_code: \"" + appCode + "\", client_key_file: key}\n"
	}
	const unused = "0000000000000000000000000000FFFF"
	write("key", rightKey)
	write("merchants.yml", entry("other", unused))
	w := startWorker(t, []string{"REDIS_URL=" + redis.URL, "QFPAY_BASE_URL=" + gateway.url, "WORKER_HTTP_ADDR=127.0.0.1:0",
		"QFPAY_MERCHANTS_FILE=" + filepath.Join(dir, "merchants.yml")})
	file, orders := sampleFile(t, 10)
	if code, line := enqueue(t, redis, file); code != 0 || line != counts(len(orders), 0, 0) {
		t.Fatalf("enqueue: ended with %d, %q", code, line)
	}
	w.await(t, w.err, "that the merchant is not known", patience, func(log string) bool {
		return strings.Contains(log, "no running worker has this merchant")
	})
	write("merchants.yml", entry("other", unused)+entry("default", simulator.SampleAppCode))
	follow(t, redis).await(t, len(orders), time.Minute) // they are tried again within 40 s
	checkBooks(t, orders, results(t, redis), gateway.orders(t))
	if !strings.Contains(w.err.text(), `"added":["default"]`) {
		t.Error("the log does not say which merchant was added")
	}
	if _, page := get(t, w.pages+"/metrics"); !strings.Contains(page, `qfpay_merchant_held{merchant="default",pay_type="",reason="none"} 0`) {
		t.Error("/metrics does not show the added merchant")
	}
}
