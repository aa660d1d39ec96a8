package console

import (
	"bytes"
	"fmt"
	"io"
	"time"

	"github.com/schollz/progressbar/v3"
)

// Progress is a progress bar on a terminal, with a count, a rate and the remaining time. On
// other outputs it shows nothing. It is not safe for concurrent use.
type Progress struct {
	w     io.Writer
	bar   *progressbar.ProgressBar // nil: not on a terminal
	unit  string
	began time.Time
	shown time.Time // last
}

// redraw is the shortest time between two updates of the bar.
const redraw = 100 * time.Millisecond

// NewProgress returns the progress of a job of the given size, in the unit of Show's done, or 0
// if the size is not known. unit is the name of the items that are counted beside the bar.
func NewProgress(w io.Writer, size int64, unit string) *Progress {
	p := &Progress{w: w, unit: unit, began: time.Now()}
	if IsTerminal(w) {
		p.bar = newBar(w, size)
	}
	return p
}

func newBar(w io.Writer, size int64) *progressbar.ProgressBar {
	if size <= 0 {
		size = -1 // a spinner
	}
	return progressbar.NewOptions64(size,
		progressbar.OptionSetWriter(w),
		progressbar.OptionSetWidth(24),
		progressbar.OptionSetPredictTime(size > 0),
		progressbar.OptionUseANSICodes(true),
		progressbar.OptionSetSpinnerChangeInterval(0), // no goroutine: Show turns the spinner
		progressbar.OptionClearOnFinish(),
	)
}

// Show shows the part of the size that is done, and the number of items.
func (p *Progress) Show(done int64, count int) {
	if p.bar == nil || time.Since(p.shown) < redraw {
		return
	}
	p.shown = time.Now()
	rate := float64(count) / max(time.Since(p.began).Seconds(), 0.001)
	p.bar.Describe(fmt.Sprintf("%d %s, %.0f/s", count, p.unit, rate))
	p.bar.Set64(done) // an error of the terminal also occurs with the next message
}

// Write writes text above the bar.
func (p *Progress) Write(text []byte) (int, error) {
	if p.bar == nil {
		return p.w.Write(text)
	}
	p.bar.Clear()
	// One write for the text and the line feed, so that the bar begins on a new line.
	if _, err := p.w.Write(append(bytes.TrimRight(text, "\n"), '\n')); err != nil {
		return 0, err
	}
	return len(text), nil
}

// Close removes the bar.
func (p *Progress) Close() {
	if p.bar != nil {
		p.bar.Finish()
	}
}
