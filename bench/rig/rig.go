// Package rig starts what a measurement needs, each in a process of its own: a
// redis-server, the simulator for a gateway, workers. Everything listens on loopback
// and is ended by [Rig.Close].
package rig

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	"github.com/qfpay-worker/qfpay-worker/qfpay/simulator"
	"github.com/qfpay-worker/qfpay-worker/tasks"
)

// Rig is one directory with the programs built once, and the processes started of
// them.
type Rig struct {
	Dir string

	mu        sync.Mutex
	processes []*Process
}

// New builds the programs of the main module in a directory of its own. module is
// the directory of the main module.
func New(ctx context.Context, module string) (*Rig, error) {
	if _, err := exec.LookPath("redis-server"); err != nil {
		return nil, errors.New("redis-server is missing; install it with: apt-get install redis-server (make bench does)")
	}
	dir, err := os.MkdirTemp("", "qfpay-bench")
	if err != nil {
		return nil, err
	}
	r := &Rig{Dir: dir}
	build := exec.CommandContext(ctx, "go", "build", "-o", dir+string(filepath.Separator),
		"./cmd/qfpay-worker", "./cmd/qfpay-sandbox")
	build.Dir = module
	if out, err := build.CombinedOutput(); err != nil {
		r.Close()
		return nil, fmt.Errorf("go build in %s: %w\n%s", module, err, out)
	}
	if err := r.writeMerchants(); err != nil {
		r.Close()
		return nil, err
	}
	return r, nil
}

// Merchants is how many merchants a worker has, each with QFPay's limits, unless the settings of a
// measurement say otherwise. There are so many that no limit is reached.
const Merchants = 1000

// MerchantName is the i-th merchant's.
func MerchantName(i int) string {
	if i == 0 {
		return tasks.DefaultMerchant
	}
	return fmt.Sprint("m", i)
}

// merchantsFile is the file of these merchants.
func (r *Rig) merchantsFile() string { return filepath.Join(r.Dir, "merchants.yaml") }

func (r *Rig) writeMerchants() error {
	key := filepath.Join(r.Dir, "client-key")
	if err := os.WriteFile(key, []byte(simulator.SampleKey), 0o600); err != nil {
		return err
	}
	var text strings.Builder
	for i, a := range simulator.SampleAccounts(Merchants) {
		fmt.Fprintf(&text, "- name: %s\n  app_code: %s\n  client_key_file: %s\n", MerchantName(i), a.AppCode, key)
	}
	return os.WriteFile(r.merchantsFile(), []byte(text.String()), 0o600)
}

// Close ends every process that is still there, the last first, and removes the
// directory.
func (r *Rig) Close() {
	for _, p := range slices.Backward(r.processes) {
		p.Kill()
	}
	os.RemoveAll(r.Dir)
}

// program is the path of a built program.
func (r *Rig) program(name string) string { return filepath.Join(r.Dir, name) }

// freeAddr finds a free loopback address.
func freeAddr() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	defer l.Close()
	return l.Addr().String(), nil
}
