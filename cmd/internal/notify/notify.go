package notify

import (
	"context"
	"crypto/rand"
	"io"
	"log/slog"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/qfpay-worker/qfpay-worker/cmd/internal/conns"
	"github.com/qfpay-worker/qfpay-worker/internal/seldom"
	"github.com/qfpay-worker/qfpay-worker/qfpay"
	"github.com/qfpay-worker/qfpay-worker/worker/event"
)

// path is the path of notifications, before the name of the merchant.
const path = "/qfpay/notify/"

// redisTimeout is how long the book may take. QFPay sends the notification again.
const redisTimeout = 5 * time.Second

// nobodys is a key that nobody has.
var nobodys = qfpay.Secret(rand.Text())

// Book writes down what notifications say.
type Book interface {
	// Notified writes down a notification of a merchant, whose signature was verified. The result is
	// event.NotificationRecorded once that is written, NotificationKnown if it was before,
	// NotificationUnknown if it is about no order that was published, and NotificationMismatch if the
	// order has another amount or currency. An error means that nothing is certain, and that the
	// notification must come again.
	Notified(ctx context.Context, merchant string, n qfpay.Notification) (result string, err error)
}

// Config configures the receiver.
type Config struct {
	Book      Book
	Merchants *Merchants
	Proxies   []netip.Prefix // that may use plain HTTP, beside loopback
	Observer  event.Observer
	Logger    *slog.Logger

	Dropped func(reason string) // called for each connection that [Serve] drops; nil: nobody counts
}

// receiver serves notifications.
type receiver struct {
	Config
	refused *seldom.Teller // what strangers can cause
	foreign *seldom.Teller // about no order of ours
}

func newReceiver(c Config) *receiver {
	tell := func(message string) *seldom.Teller {
		return seldom.New(func(n int, attrs ...any) { c.Logger.Info(message, append(attrs, "count", n)...) })
	}
	return &receiver{Config: c, refused: tell("notifications refused"), foreign: tell("notifications about no published order")}
}

// statuses are the answers. Only SUCCESS ends the notification; QFPay sends all others again, by its
// schedule: after 2, 10 and 10 minutes, 1, 2, 6 and 15 hours. None says more than that.
var statuses = map[string]int{
	event.NotificationRecorded:   http.StatusOK,
	event.NotificationKnown:      http.StatusOK,
	event.NotificationUnknown:    http.StatusNotFound, // it may have been faster than our own books
	event.NotificationMismatch:   http.StatusNotFound,
	event.NotificationForged:     http.StatusForbidden,
	event.NotificationUntrusted:  http.StatusForbidden,
	event.NotificationMalformed:  http.StatusBadRequest,
	event.NotificationUnreadable: http.StatusRequestEntityTooLarge,
	event.NotificationFailed:     http.StatusServiceUnavailable,
}

// ServeHTTP implements [http.Handler].
func (s *receiver) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	name, ours := strings.CutPrefix(r.URL.Path, path)
	if !ours || r.Method != http.MethodPost {
		answer(w, http.StatusNotFound)
		return
	}
	result := s.receive(w, r, name)
	s.Observer.Observe(event.Notified{Result: result})
	status, known := statuses[result]
	if !known {
		status = http.StatusNotFound
	}
	answer(w, status)
}

// answer answers with SUCCESS, exactly this, or with a problem that says no more than its status.
func answer(w http.ResponseWriter, status int) {
	if status == http.StatusOK {
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		io.WriteString(w, "SUCCESS")
		return
	}
	w.Header().Set("Content-Type", conns.ProblemType)
	w.WriteHeader(status)
	w.Write(conns.NewProblem(status, "").JSON())
}

// receive verifies a notification, reads it and has it written down.
func (s *receiver) receive(w http.ResponseWriter, r *http.Request, name string) (result string) {
	from, trusted := s.from(r)
	if !trusted {
		return s.refuse(event.NotificationUntrusted, from)
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, qfpay.MaxNotification))
	if err != nil {
		return s.refuse(event.NotificationUnreadable, from)
	}
	merchant, signs := s.Merchants.named(name), r.Header.Values("X-QF-SIGN")
	if len(signs) != 1 || !qfpay.VerifyNotification(body, signs[0], merchant.KeyOfNotifications()) {
		return s.refuse(event.NotificationForged, from)
	}
	conns.Known(r)
	n, err := qfpay.ParseNotification(body)
	if err != nil {
		s.Logger.Warn("a signed notification cannot be read", "merchant", name, "error", err)
		return event.NotificationMalformed
	}
	return s.write(r.Context(), s.Merchants.stores(merchant, n.MchID), n)
}

// write has a notification written down for the merchant whose order it is about.
func (s *receiver) write(ctx context.Context, merchants []string, n qfpay.Notification) string {
	// A caller who goes away does not stop what was begun.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), redisTimeout)
	defer cancel()
	about := []any{"notify_type", string(n.Type), "out_trade_no", n.OutTradeNo, "syssn", n.Syssn}
	for _, merchant := range merchants {
		result, err := s.Book.Notified(ctx, merchant, n)
		log := s.Logger.With(about...).With("merchant", merchant, "result", result)
		switch {
		case err != nil:
			log.Warn("a notification could not be written down; QFPay sends it again", "error", err)
			return event.NotificationFailed
		case result == event.NotificationUnknown:
			continue
		case result == event.NotificationMismatch:
			log.Warn("a signed notification differs from its order", "txamt", n.TxAmt, "txcurrcd", n.TxCurrCd)
		default:
			log.Info("notification")
		}
		return result
	}
	s.foreign.Note(about...)
	return event.NotificationUnknown
}

// refuse notes what has not proved that it comes from QFPay. Anybody can cause that, so there is no
// line in the log for each.
func (s *receiver) refuse(result string, from netip.Addr) string {
	s.refused.Note("result", result, "from", from.String())
	return result
}

// from returns the other end of the connection, and whether a notification may come from there: over
// TLS from anywhere, over plain HTTP from a proxy or from this machine.
func (s *receiver) from(r *http.Request) (from netip.Addr, trusted bool) {
	address, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil {
		return from, false
	}
	from = address.Addr().Unmap().WithZone("")
	if from.IsLoopback() || slices.ContainsFunc(s.Proxies, func(p netip.Prefix) bool { return p.Contains(from) }) {
		conns.Known(r) // its connections are used for many
		return from, true
	}
	return from, r.TLS != nil
}
