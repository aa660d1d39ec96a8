package console

import (
	"bytes"
	"errors"
	"fmt"
	"io"

	"github.com/mdp/qrterminal/v3"
	"rsc.io/qr"
)

// quietZone is the light margin around a QR code, in modules. ISO/IEC 18004 asks
// for four; two are read by every wallet and keep a code of 300 characters within
// 80 columns.
const quietZone = 2

// ErrTooLong says that a text does not fit a QR code.
var ErrTooLong = errors.New("too long for a QR code")

// DrawQR draws text as a QR code with half blocks. On a terminal the colours are
// set, dark on light whatever its theme, since not every wallet reads an inverted
// code; elsewhere it is plain text, for a dark ground. It fails with
// [ErrTooLong], or as w does.
func DrawQR(w io.Writer, text string) error {
	// qrterminal passes over an error of the encoder and then has nothing to draw.
	if _, err := qr.Encode(text, qr.L); err != nil {
		return fmt.Errorf("a text of %d bytes is %w", len(text), ErrTooLong)
	}
	var drawn bytes.Buffer
	qrterminal.GenerateWithConfig(text, qrterminal.Config{
		Level: qr.L, Writer: &drawn, HalfBlocks: true, QuietZone: quietZone,
	})
	picture := drawn.Bytes()
	if IsTerminal(w) {
		picture = coloured(picture)
	}
	_, err := w.Write(picture)
	return err
}

// coloured puts every line in white blocks on a black ground.
func coloured(picture []byte) []byte {
	var out bytes.Buffer
	for line := range bytes.Lines(picture) {
		out.WriteString("\x1b[97;40m")
		out.Write(bytes.TrimRight(line, "\n"))
		out.WriteString("\x1b[0m\n")
	}
	return out.Bytes()
}
