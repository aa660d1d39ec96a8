package rig

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"os"
	"strconv"
	"time"

	"github.com/qfpay-worker/qfpay-worker/qfpay/simulator"
)

// Gateway is the simulator without limits, or a replacement of it.
type Gateway struct {
	*Process
	URL string

	within *http.Server // nil when it is a process
}

// Kill ends the gateway.
func (g *Gateway) Kill() {
	if g.within != nil {
		g.within.Close()
		return
	}
	g.Process.Kill()
}

// ServeGateway starts a gateway for the sample merchants, without limits, in this process. With one
// call at a time, a separate process would only add the time to wake up two processes.
func ServeGateway() (*Gateway, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	g := &Gateway{URL: "http://" + listener.Addr().String(), within: &http.Server{
		Handler: simulator.New(simulator.Config{Merchants: simulator.SampleAccounts(Merchants),
			PerSecond: simulator.NoLimit, PerMinute: simulator.NoLimit})}}
	go g.within.Serve(listener) // ends with an error when it is closed
	return g, nil
}

// StartGateway starts a gateway with this many sample merchants, without limits, which answers each
// call after the latency.
func (r *Rig) StartGateway(ctx context.Context, merchants int, latency time.Duration) (*Gateway, error) {
	return r.StartGatewayWith(ctx, merchants, "--latency", latency.String(), "--per-second", "0", "--per-minute", "0")
}

// StartGatewayWith starts a gateway with additional flags.
func (r *Rig) StartGatewayWith(ctx context.Context, merchants int, flags ...string) (*Gateway, error) {
	return r.startGateway(ctx, r.program("qfpay-sandbox"), append([]string{"simulator", "--merchants", strconv.Itoa(merchants)}, flags...))
}

// StartStubGateway starts this program as a gateway that accepts every create after the latency.
func (r *Rig) StartStubGateway(ctx context.Context, latency time.Duration) (*Gateway, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	return r.startGateway(ctx, self, []string{"stub-gateway", "--latency", latency.String()})
}

// startGateway starts a program with an address to listen on, and waits until it listens.
func (r *Rig) startGateway(ctx context.Context, program string, args []string) (*Gateway, error) {
	addr, err := freeAddr()
	if err != nil {
		return nil, err
	}
	p, err := r.Start("gateway", nil, program, append(args, "--addr", addr)...)
	if err != nil {
		return nil, err
	}
	return &Gateway{Process: p, URL: "http://" + addr}, p.until(ctx, 10*time.Second, func(ctx context.Context) error {
		conn, err := net.DialTimeout("tcp", addr, time.Second)
		if err != nil {
			return fmt.Errorf("gateway: %w", err)
		}
		return conn.Close()
	})
}
