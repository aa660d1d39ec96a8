package rig

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"time"
)

// Process is a running program. Its output goes to a file in the rig's directory.
type Process struct {
	name string
	cmd  *exec.Cmd
	log  string
	done chan struct{} // closed when it has ended
	err  error         // of its end; to be read after done
}

// Start starts a program with its environment on top of PATH and HOME.
func (r *Rig) Start(name string, env []string, program string, args ...string) (*Process, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	log, err := os.Create(filepath.Join(r.Dir, fmt.Sprintf("%s-%d.log", name, len(r.processes))))
	if err != nil {
		return nil, err
	}
	defer log.Close() // the child has its own
	p := &Process{name: name, cmd: exec.Command(program, args...), log: log.Name(), done: make(chan struct{})}
	p.cmd.Dir = r.Dir
	p.cmd.Env = append([]string{"PATH=" + os.Getenv("PATH"), "HOME=" + os.Getenv("HOME")}, env...)
	p.cmd.Stdout, p.cmd.Stderr = log, log
	if err := p.cmd.Start(); err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	go func() {
		p.err = p.cmd.Wait()
		close(p.done)
	}()
	r.processes = append(r.processes, p)
	return p, nil
}

// PID is the process's id.
func (p *Process) PID() int { return p.cmd.Process.Pid }

// Stop asks the process to end, waits until it has, and kills it after a minute.
func (p *Process) Stop() error {
	p.cmd.Process.Signal(syscall.SIGTERM)
	select {
	case <-p.done:
	case <-time.After(time.Minute):
		p.Kill()
		return fmt.Errorf("%s did not end within a minute of SIGTERM\n%s", p.name, p.tail())
	}
	if p.err != nil {
		return fmt.Errorf("%s: %w\n%s", p.name, p.err, p.tail())
	}
	return nil
}

// Kill ends the process at once, if it has not ended yet.
func (p *Process) Kill() {
	p.cmd.Process.Kill()
	<-p.done
}

// until polls until the condition holds, the process ends, or the time is up.
func (p *Process) until(ctx context.Context, within time.Duration, ready func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, within)
	defer cancel()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for {
		err := ready(ctx)
		if err == nil {
			return nil
		}
		select {
		case <-p.done:
			return fmt.Errorf("%s ended: %w\n%s", p.name, errors.Join(p.err, err), p.tail())
		case <-ctx.Done():
			return fmt.Errorf("%s is not ready after %s: %w\n%s", p.name, within, err, p.tail())
		case <-tick.C:
		}
	}
}

// tail returns the end of the process's output.
func (p *Process) tail() string {
	const most = 2000
	b, err := os.ReadFile(p.log)
	if err != nil {
		return err.Error()
	}
	return string(b[max(0, len(b)-most):])
}
