// Package api is the HTTP API for producers in any language. It accepts orders, one by one or
// many in a stream, and returns their state and QR codes.
//
// Package tasks validates orders, and answers contain its messages. openapi.json describes
// every route, and tests check all answers against it.
package api
