package api

import (
	"fmt"
	"net/http"
	"strconv"

	"github.com/qfpay-worker/qfpay-worker/cmd/internal/qrpng"
	"github.com/qfpay-worker/qfpay-worker/worker/inspect"
)

// getQRCode draws the QR code of an order.
func (s *server) getQRCode(w http.ResponseWriter, r *http.Request) {
	scale, err := scaleOf(r)
	if err != nil {
		answerProblem(w, problem{Status: http.StatusBadRequest, Detail: err.Error()})
		return
	}
	h, ok := s.history(w, r)
	if !ok {
		return
	}
	result := resultOf(h)
	if result == nil || result.QRCode == "" {
		answerNoQRCode(w, h)
		return
	}
	code, err := qrpng.Encode(result.QRCode)
	if err != nil {
		answerProblem(w, problem{Status: http.StatusConflict, ID: h.ID, State: h.State, Outcome: h.Outcome,
			Detail: err.Error() + "; it is in the order's result"})
		return
	}
	w.Header().Set("Content-Type", "image/png")
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	code.Write(w, scale) // it fails if the client has disconnected
}

func scaleOf(r *http.Request) (int, error) {
	text := r.URL.Query().Get("scale")
	if text == "" {
		return qrpng.DefaultScale, nil
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 1 || n > qrpng.MaxScale {
		return 0, fmt.Errorf("scale: must be a whole number from 1 to %d, in pixels per module", qrpng.MaxScale)
	}
	return n, nil
}

// answerNoQRCode answers why an order has no QR code to draw: not yet, or never.
func answerNoQRCode(w http.ResponseWriter, h inspect.History) {
	p := problem{Status: http.StatusConflict, ID: h.ID, State: h.State, Outcome: h.Outcome}
	switch {
	case h.State != "DONE":
		w.Header().Set("Retry-After", "1")
		p.Outcome = ""
		p.Detail = "the order has no result yet; try again"
	case h.Outcome == "created":
		p.Detail = "the result of the order is no longer in the result stream"
	default:
		p.Detail = "the order ended " + h.Outcome + ": it has no QR code"
	}
	answerProblem(w, p)
}
