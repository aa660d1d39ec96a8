package deploy

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/qfpay-worker/qfpay-worker/internal/redistest"
	"github.com/qfpay-worker/qfpay-worker/qfpay"
	"github.com/qfpay-worker/qfpay-worker/qfpay/simulator"
	"github.com/qfpay-worker/qfpay-worker/tasks"
)

// rig is the whole service in separate processes: redis-server, simulator, workers, and a Prometheus
// that scrapes them. Everything listens on loopback.
type rig struct {
	t         *testing.T
	dir       string
	redis     *redistest.Server
	rdb       *redis.Client
	gateway   string // its address
	simulator *program
	workers   []*program
	ports     []string // of the workers' pages
	prom      *prometheus
	orders    int // enqueued by load
}

// prefix is the default one, as in compose and production.
var prefix = tasks.Keys{Prefix: tasks.DefaultPrefix}

func newRig(t *testing.T) *rig {
	t.Helper()
	r := &rig{t: t, dir: t.TempDir()}
	build := exec.Command("go", "build", "-o", r.dir+"/", "./cmd/qfpay-worker", "./cmd/qfpay-sandbox")
	build.Dir = root
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	r.redis = redistest.Start(t, "--appendonly", "yes", "--maxmemory", "256mb")
	r.rdb = r.redis.Client(t)
	r.gateway = freeAddr(t)
	r.write("key", simulator.SampleKey)
	r.write("wrong", "0000000000000000000000000000WRONG")
	return r
}

// write makes a file in the rig's directory and returns its path.
func (r *rig) write(name, text string) string {
	r.t.Helper()
	path := filepath.Join(r.dir, name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		r.t.Fatal(err)
	}
	return path
}

// startSimulator starts the gateway, always at the same address.
func (r *rig) startSimulator(args ...string) {
	r.t.Helper()
	args = append([]string{"simulator", "--addr", r.gateway, "--merchants", "2"}, args...)
	r.simulator = start(r.t, nil, filepath.Join(r.dir, "qfpay-sandbox"), args...)
	awaitPort(r.t, r.gateway)
}

// startWorker starts one more process with two merchants: default, and shop, whose key is in the
// given file.
func (r *rig) startWorker(shopsKey string, settings ...string) {
	r.t.Helper()
	r.startWorkerAt(freeAddr(r.t), shopsKey, settings...)
}

// startWorkerAt starts a worker with its pages at an address.
func (r *rig) startWorkerAt(addr, shopsKey string, settings ...string) {
	r.t.Helper()
	accounts := simulator.SampleAccounts(2)
	file := r.write(fmt.Sprintf("merchants%d.yml", len(r.workers)), fmt.Sprintf(
		"- {name: default, app_code: %q, client_key_file: key}\n- {name: shop, app_code: %q, client_key_file: %s}\n",
		accounts[0].AppCode, accounts[1].AppCode, shopsKey))
	env := append([]string{"REDIS_URL=" + r.redis.URL, "QFPAY_BASE_URL=http://" + r.gateway, "QFPAY_MERCHANTS_FILE=" + file,
		"WORKER_HTTP_ADDR=" + addr, "QFPAY_TIMEOUT=2s", "WORKER_PAYMENTS=on"}, settings...)
	r.workers = append(r.workers, start(r.t, env, filepath.Join(r.dir, "qfpay-worker"), "run"))
	r.ports = append(r.ports, addr)
	awaitPort(r.t, addr)
}

var closable = []qfpay.PayType{qfpay.AlipayOverseas, qfpay.AlipayHK, qfpay.WeChat}

// enqueue enqueues one order of a merchant and a lane.
func (r *rig) enqueue(ctx context.Context, merchant string, lane tasks.Lane, n int) error {
	p := tasks.NewProducer(r.rdb, prefix)
	_, err := p.Enqueue(ctx, tasks.Order{Merchant: merchant, Lane: lane, Order: qfpay.Order{
		OutTradeNo: fmt.Sprintf("%s-%s-%d", merchant, lane, n), PayType: closable[n%len(closable)], TxAmt: 2500, TxCurrCd: "HKD"}})
	return err
}

// fault replaces the faults of the gateway.
func (r *rig) fault(faults ...string) {
	r.t.Helper()
	answer, err := web.PostForm("http://"+r.gateway+"/_simulator/faults", url.Values{"fault": faults})
	if err != nil {
		r.t.Fatal(err)
	}
	defer answer.Body.Close()
	if answer.StatusCode >= 300 {
		r.t.Fatalf("faults %q: %s", faults, answer.Status)
	}
}

// loading runs load in the background; the returned function ends it.
func (r *rig) loading(perSecond int) (end func()) {
	ctx, cancel := context.WithCancel(r.t.Context())
	var running sync.WaitGroup
	running.Go(func() { r.load(ctx, perSecond) })
	return func() { cancel(); running.Wait() }
}

// load enqueues about perSecond orders per second until the context ends: in both lanes for default,
// and sometimes one for shop.
func (r *rig) load(ctx context.Context, perSecond int) {
	tick := time.NewTicker(time.Second / time.Duration(perSecond))
	defer tick.Stop()
	for ; ; r.orders++ {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		n := r.orders
		merchant, lane := "default", []tasks.Lane{tasks.Bulk, tasks.Interactive}[n%2]
		if n%10 == 9 {
			merchant = "shop"
		}
		if err := r.enqueue(ctx, merchant, lane, n); err != nil && ctx.Err() == nil {
			r.t.Errorf("enqueue: %v", err)
			return
		}
	}
}

// program is one running process.
type program struct {
	cmd   *exec.Cmd
	out   *bytes.Buffer
	ended chan struct{}
	once  sync.Once
}

// start runs a program until the test ends, with only this environment.
func start(t *testing.T, env []string, path string, args ...string) *program {
	t.Helper()
	p := &program{cmd: exec.Command(path, args...), out: &bytes.Buffer{}, ended: make(chan struct{})}
	p.cmd.Env, p.cmd.Stdout, p.cmd.Stderr = append([]string{}, env...), p.out, p.out
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() { p.cmd.Wait(); close(p.ended) }()
	t.Cleanup(func() {
		p.stop()
		if t.Failed() {
			t.Logf("%s %q wrote at last:\n%s", filepath.Base(path), args, tail(p.out.Bytes(), 1500))
		}
	})
	return p
}

// stop ends the program with SIGTERM, or with SIGKILL if that takes too long.
func (p *program) stop() {
	p.once.Do(func() {
		p.cmd.Process.Signal(syscall.SIGTERM)
		select {
		case <-p.ended:
		case <-time.After(40 * time.Second):
			p.cmd.Process.Kill()
			<-p.ended
		}
	})
}

func tail(text []byte, n int) []byte { return text[max(0, len(text)-n):] }

// freeAddr returns a free address on loopback.
func freeAddr(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// awaitPort waits until a process listens on the port.
func awaitPort(t *testing.T, addr string) {
	t.Helper()
	eventually(t, 30*time.Second, addr+" is listened on", func() bool {
		c, err := net.DialTimeout("tcp", addr, time.Second)
		if err == nil {
			c.Close()
		}
		return err == nil
	})
}

// eventually polls until a condition is true; after the timeout the test fails.
func eventually(t *testing.T, bound time.Duration, what string, holds func() bool) {
	t.Helper()
	for end := time.Now().Add(bound); !holds(); {
		if time.Now().After(end) {
			t.Fatalf("after %s it does not hold that %s", bound, what)
		}
		select {
		case <-t.Context().Done():
			t.Fatal(t.Context().Err())
		case <-time.After(200 * time.Millisecond):
		}
	}
}

// secretsOf returns the secrets that no page may show.
var secrets = regexp.MustCompile(simulator.SampleKey + "|0000000000000000000000000000WRONG")
