package rig

import (
	"context"
	"fmt"
	"net"
	"strconv"
	"time"
)

// Gateway is the simulator, without limits of its own.
type Gateway struct {
	*Process
	URL string
}

// StartGateway starts a gateway with so many sample merchants, that answers each
// call after the latency.
func (r *Rig) StartGateway(ctx context.Context, merchants int, latency time.Duration) (*Gateway, error) {
	addr, err := freeAddr()
	if err != nil {
		return nil, err
	}
	p, err := r.Start("gateway", nil, r.program("qfpay-sandbox"), "simulator", "--addr", addr,
		"--merchants", strconv.Itoa(merchants), "--latency", latency.String(), "--per-second", "0", "--per-minute", "0")
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
