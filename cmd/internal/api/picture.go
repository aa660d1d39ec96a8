package api

import (
	"image"
	"image/color"

	"rsc.io/qr"
)

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
