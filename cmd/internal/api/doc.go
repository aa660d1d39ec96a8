// Package api is the HTTP door for orders, for producers in any language: orders in,
// one by one or many in a stream, and their state and QR codes out.
//
// What is an order and what is wrong with one is package tasks' to say; the answers
// here carry its words. openapi.json describes every route, and a test holds the
// handlers to it.
package api
