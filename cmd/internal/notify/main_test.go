package notify

import (
	"context"
	"log/slog"
	"net"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/qfpay-worker/qfpay-worker/qfpay"
	"github.com/qfpay-worker/qfpay-worker/worker/event"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// book answers what a test says, and remembers what it was asked.
type book struct {
	mu    sync.Mutex
	is    map[string]string // results by merchant; missing: recorded
	err   error
	asked []string // merchant:order
	write func()   // called before it answers
}

func (b *book) Notified(_ context.Context, merchant string, n qfpay.Notification) (string, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.asked = append(b.asked, merchant+":"+n.Order())
	if b.write != nil {
		b.write()
	}
	if result, ok := b.is[merchant]; ok {
		return result, b.err
	}
	return event.NotificationRecorded, b.err
}

// rig is a receiver with what it has counted and logged.
type rig struct {
	book    *book
	config  Config
	log     *buffer
	mu      sync.Mutex
	results []string
}

// The keys of two stores: one of an agent, and one with a notification key of its own.
const (
	agentKey = qfpay.Secret("0123456789ABCDEF0123456789ABCDEF")
	ownKey   = qfpay.Secret("FEDCBA9876543210FEDCBA9876543210")
)

func newRig() *rig {
	r := &rig{book: &book{is: map[string]string{}}, log: &buffer{}}
	r.config = Config{Book: r.book, Observer: r, Logger: slog.New(slog.NewTextHandler(r.log, nil)), Merchants: NewMerchants([]qfpay.Merchant{
		{Name: "default", AppCode: "A", Key: agentKey},
		{Name: "own", AppCode: "B", Key: "other", NotifyKey: ownKey},
		{Name: "kowloon", AppCode: "C", MchID: "K1", Key: agentKey},
		{Name: "central", AppCode: "C", MchID: "C1", Key: agentKey},
		{Name: "forger", AppCode: "C", MchID: "F1", Key: agentKey, NotifyKey: ownKey},
	})}
	return r
}

// Observe implements event.Observer.
func (r *rig) Observe(e event.Event) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.results = append(r.results, e.(event.Notified).Result)
}

// last returns the last result, and forgets all.
func (r *rig) last() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.results) != 1 {
		return "not one result"
	}
	one := r.results[0]
	r.results = nil
	return one
}

type buffer struct {
	mu   sync.Mutex
	text []byte
}

func (b *buffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.text = append(b.text, p...)
	return len(p), nil
}

func (b *buffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return string(b.text)
}

// pipes is a listener of connections in memory, for tests on a clock of their own.
type pipes struct {
	dialed chan net.Conn
	closed chan struct{}
	once   sync.Once
}

func newPipes() *pipes { return &pipes{dialed: make(chan net.Conn), closed: make(chan struct{})} }

func (p *pipes) dial(from string) net.Conn {
	here, there := net.Pipe()
	p.dialed <- pipe{there, from}
	return here
}

// Accept implements [net.Listener].
func (p *pipes) Accept() (net.Conn, error) {
	select {
	case c := <-p.dialed:
		return c, nil
	case <-p.closed:
		return nil, net.ErrClosed
	}
}

// Close implements [net.Listener].
func (p *pipes) Close() error { p.once.Do(func() { close(p.closed) }); return nil }

// Addr implements [net.Listener].
func (p *pipes) Addr() net.Addr { return &net.TCPAddr{} }

type pipe struct {
	net.Conn
	from string
}

// RemoteAddr implements [net.Conn].
func (p pipe) RemoteAddr() net.Addr { a, _ := net.ResolveTCPAddr("tcp", p.from); return a }

// serving serves on pipes until stop is called.
func (r *rig) serving(t *testing.T) (p *pipes, stop func()) {
	t.Helper()
	p = newPipes()
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- Serve(ctx, p, nil, time.Minute, r.config) }()
	return p, func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	}
}
