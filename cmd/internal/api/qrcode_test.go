package api

import (
	"image"
	"image/color"
	"image/png"
	"net/http"
	"strings"
	"testing"

	"rsc.io/qr"

	"github.com/qfpay-worker/qfpay-worker/qfpay/simulator"
)

func TestQRCode_PictureIsThatOfTheOrder(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.post(anOrder("A1"))
	r.work(simulator.Config{}, 1)
	text := into[shown](t, r.get("/v1/orders/default/A1").body).Result.QRCode
	code, err := qr.Encode(text, qr.M)
	if err != nil {
		t.Fatal(err)
	}
	for query, scale := range map[string]int{"": 8, "?scale=1": 1, "?scale=3": 3, "?scale=32": 32} {
		got := r.get("/v1/orders/default/A1/qr.png" + query)
		if got.status != http.StatusOK || got.header.Get("Cache-Control") != "no-store" {
			t.Errorf("%s: %d %v", query, got.status, got.header)
			continue
		}
		picture, err := png.Decode(strings.NewReader(got.body))
		if err != nil {
			t.Fatal(err)
		}
		const quiet = 4 // modules on each side
		if side := (code.Size + 2*quiet) * scale; picture.Bounds() != image.Rect(0, 0, side, side) {
			t.Fatalf("%s: %v, want %d a side", query, picture.Bounds(), side)
		}
		step := 1 + scale/8 // every pixel of a small one
		for y := 0; y < picture.Bounds().Dy(); y += step {
			for x := 0; x < picture.Bounds().Dx(); x += step {
				dark := color.GrayModel.Convert(picture.At(x, y)).(color.Gray).Y < 128
				if dark != code.Black(x/scale-quiet, y/scale-quiet) {
					t.Fatalf("%s: pixel %d, %d is wrong", query, x, y)
				}
			}
		}
	}
	for _, scale := range []string{"0", "33", "-1", "8.5", "big", "999999999999999999999"} {
		if got := r.get("/v1/orders/default/A1/qr.png?scale=" + scale); got.status != http.StatusBadRequest {
			t.Errorf("scale %s: %d", scale, got.status)
		}
	}
}

func TestQRCode_OrderWithoutOneSaysWhy(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	path := func(outTradeNo string) string { return "/v1/orders/default/" + outTradeNo + "/qr.png" }
	says := func(outTradeNo, detail, retryAfter string) {
		t.Helper()
		got := r.get(path(outTradeNo))
		p := into[problem](t, got.body)
		if got.status != http.StatusConflict || p.Detail != detail || got.header.Get("Retry-After") != retryAfter || p.ID != "default:"+outTradeNo {
			t.Errorf("%d %q %s, want %q", got.status, got.header.Get("Retry-After"), got.body, detail)
		}
	}
	r.post(anOrder("A1"))
	says("A1", "the order has no result yet; try again", "1")

	r.post(strings.Replace(anOrder("A2"), "}", `,"deadline":"2001-01-01T00:00:00Z"}`, 1))
	r.work(simulator.Config{}, 2)
	says("A2", "the order ended expired: it has no QR code", "")

	r.rdb.XTrimMaxLen(t.Context(), keys.Results(), 0)
	says("A1", "the result of the order is no longer in the result stream", "")
}

// A QR code contains a short address; other answers of a gateway are not drawn.
func TestQRCode_TooLongTextIsNotDrawn(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.post(anOrder("A1"))
	r.work(simulator.Config{}, 1)
	result := into[shown](t, r.get("/v1/orders/default/A1").body).Result
	result.QRCode = strings.Repeat("x", 3000)
	entry := r.rdb.XAdd(t.Context(), xadd(result)).Val()
	r.rdb.HSet(t.Context(), keys.Order("default:A1"), "entry", entry)
	p := into[problem](t, r.get("/v1/orders/default/A1/qr.png").body)
	if p.Status != http.StatusConflict || !strings.Contains(p.Detail, "a text of 3000 bytes is too long for a QR code") {
		t.Errorf("%+v", p)
	}
}
