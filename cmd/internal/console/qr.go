package console

import (
	"bytes"
	"errors"
	"fmt"
	"io"

	"github.com/mdp/qrterminal/v3"
	"rsc.io/qr"
)

// quietZone is the light margin around a QR code, in modules. ISO/IEC 18004 requires four, but
// every wallet reads a code with two, and then a code of 300 characters fits into 80 columns.
const quietZone = 2

// ErrTooLong means that a text does not fit into a QR code.
var ErrTooLong = errors.New("too long for a QR code")

// DrawQR draws text as a QR code with half blocks. On a terminal it sets the colours, dark on
// light with any theme, because some wallets do not read an inverted code. Elsewhere it writes
// plain text, for a dark background. The error is [ErrTooLong], or comes from w.
func DrawQR(w io.Writer, text string) error {
	// qrterminal ignores an error of the encoder and then draws nothing.
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

// coloured colours every line: white blocks on a black background.
func coloured(picture []byte) []byte {
	var out bytes.Buffer
	for line := range bytes.Lines(picture) {
		out.WriteString("\x1b[97;40m")
		out.Write(bytes.TrimRight(line, "\n"))
		out.WriteString("\x1b[0m\n")
	}
	return out.Bytes()
}
