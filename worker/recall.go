package worker

import (
	"context"
	"fmt"
	"strconv"
	"sync"
	"time"
)

// recaller has orders taken up that wait for what their merchant lacked until now: for
// the end of a hold, up to minutes, or for the merchant itself. Should it fail, they come
// when they are due.
type recaller struct {
	handler *handler

	mu     sync.Mutex
	names  []string
	wanted chan struct{} // has an element when there are names
}

const (
	recallBatch = 500
	// Orders that were being put down meanwhile are found the second time.
	recallAgain = time.Second
)

func newRecaller(h *handler) *recaller { return &recaller{handler: h, wanted: make(chan struct{}, 1)} }

// want has the orders of these merchants recalled.
func (r *recaller) want(names []string) {
	if len(names) == 0 {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.names = append(r.names, names...)
	select {
	case r.wanted <- struct{}{}:
	default: // it has not looked since the last time
	}
}

func (r *recaller) take() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	names := r.names
	r.names = nil
	return names
}

// run recalls what is wanted until the context ends.
func (r *recaller) run(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-r.wanted:
		}
		names := r.take()
		err := r.recall(ctx, names)
		if err == nil && sleep(ctx, recallAgain) == nil {
			err = r.recall(ctx, names)
		}
		if err != nil && ctx.Err() == nil {
			r.handler.observer.Observe(RedisFailed{Op: "recall"})
			r.handler.log.Warn("orders that waited for their merchant could not be called at once; they come when they are due", "error", err)
		}
	}
}

// recall goes through due once.
func (r *recaller) recall(ctx context.Context, names []string) error {
	j := r.handler.journal
	cursor, recalled := "0", int64(0)
	for {
		args := []any{j.keys.Order(""), cursor, recallBatch}
		for _, name := range names {
			args = append(args, name)
		}
		answer, err := j.run(ctx, recallScript, "recall", []string{j.keys.Due()}, args...)
		if err != nil {
			return err
		}
		if len(answer) != 2 {
			return fmt.Errorf("journal: recall: unexpected answer %q", answer)
		}
		n, err := strconv.ParseInt(answer[1], 10, 64)
		if err != nil {
			return fmt.Errorf("journal: recall: unexpected answer %q", answer)
		}
		if recalled += n; n > 0 {
			r.handler.agenda.due(0)
		}
		if cursor = answer[0]; cursor == "0" {
			break
		}
	}
	if recalled > 0 {
		r.handler.log.Info("orders that waited for their merchant are taken up", "orders", recalled)
	}
	return nil
}
