// Package qrpng draws QR codes as PNG pictures. The HTTP API and qfpay-worker enqueue share it, so
// that a code looks the same from both.
package qrpng

import (
	"fmt"
	"image"
	"image/color"
	"image/png"
	"io"

	"rsc.io/qr"
)

// The width of a module of a QR code in pixels.
const (
	DefaultScale = 8
	MaxScale     = 32
)

// Code is a QR code.
type Code struct{ code *qr.Code }

// Encode returns the QR code of a text. It fails if the text is too long for one.
func Encode(text string) (Code, error) {
	code, err := qr.Encode(text, qr.M)
	if err != nil {
		return Code{}, fmt.Errorf("a text of %d bytes is too long for a QR code", len(text))
	}
	return Code{code}, nil
}

// Write writes the code as a PNG. scale is the width of a module in pixels, at least 1. The error is
// that of w.
func (c Code) Write(w io.Writer, scale int) error { return png.Encode(w, picture{c.code, scale}) }

// quietZone is the light margin around a QR code, in modules, as ISO/IEC 18004 requires.
const quietZone = 4

// picture is a QR code as an [image.PalettedImage], which image/png writes with one bit per
// pixel. Pixels are not stored, so that a large scale needs no memory. (The encoder of
// rsc.io/qr panics with a scale of 1.)
type picture struct {
	code  *qr.Code
	scale int // pixels per module
}

var lightAndDark = color.Palette{color.Gray{Y: 0xFF}, color.Gray{}}

// ColorModel implements [image.Image].
func (p picture) ColorModel() color.Model { return lightAndDark }

// Bounds implements [image.Image].
func (p picture) Bounds() image.Rectangle {
	side := (p.code.Size + 2*quietZone) * p.scale
	return image.Rect(0, 0, side, side)
}

// ColorIndexAt implements [image.PalettedImage].
func (p picture) ColorIndexAt(x, y int) uint8 {
	if p.code.Black(x/p.scale-quietZone, y/p.scale-quietZone) {
		return 1
	}
	return 0
}

// At implements [image.Image].
func (p picture) At(x, y int) color.Color { return lightAndDark[p.ColorIndexAt(x, y)] }
