package api

import (
	_ "embed"
	"net/http"
	"strings"

	"github.com/qfpay-worker/qfpay-worker/tasks"
)

//go:embed openapi.json
var openapi string

// document is the description of the API, in which references to the schemas of package tasks
// are replaced by the schemas, so that the document is complete.
var document = strings.NewReplacer(
	`{"$ref": "../../../tasks/schema/order.schema.json"}`, strings.TrimSpace(tasks.OrderSchema()),
	`{"$ref": "../../../tasks/schema/result.schema.json"}`, strings.TrimSpace(tasks.ResultSchema()),
	`{"$ref": "../../../tasks/schema/payment.schema.json"}`, strings.TrimSpace(tasks.PaymentSchema()),
).Replace(openapi)

// getDocument needs no token: the document is public and part of the repository.
func getDocument(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-cache")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	w.Write([]byte(document)) // it fails if the client has disconnected
}
