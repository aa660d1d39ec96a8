package api

import (
	"mime"
	"net/http"
	"slices"
	"strings"
)

// The types of a body with orders.
const (
	oneOrder   = "application/json"
	manyOrders = "application/x-ndjson"
)

// bodyType returns the media type of the body, or "" if the body is compressed or not UTF-8.
func bodyType(h http.Header) string {
	kind, params, err := mime.ParseMediaType(h.Get("Content-Type"))
	charset, given := params["charset"]
	utf8 := slices.Contains([]string{"utf-8", "utf8", "us-ascii", "ascii"}, strings.ToLower(charset))
	encoding := strings.ToLower(strings.Join(h.Values("Content-Encoding"), ","))
	if err != nil || given && !utf8 || encoding != "" && encoding != "identity" || len(h.Values("Content-Type")) > 1 {
		return ""
	}
	return kind
}

// traceparent returns the traceparent header. It ignores a repeated one.
func traceparent(h http.Header) string {
	if values := h.Values("traceparent"); len(values) == 1 {
		return values[0]
	}
	return ""
}
