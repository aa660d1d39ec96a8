package api

import (
	_ "embed"
	"net/http"
	"strings"

	"github.com/qfpay-worker/qfpay-worker/tasks"
)

//go:embed openapi.json
var openapi string

// document is the description of the API, with the schemas of package tasks in the
// places where the file refers to them: whoever fetches it has all of it.
var document = strings.NewReplacer(
	`{"$ref": "../../../tasks/schema/order.schema.json"}`, strings.TrimSpace(tasks.OrderSchema()),
	`{"$ref": "../../../tasks/schema/result.schema.json"}`, strings.TrimSpace(tasks.ResultSchema()),
).Replace(openapi)

// getDocument needs no token: it is the same for everybody and in the repository.
func getDocument(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-cache")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	w.Write([]byte(document)) // its error is that the caller has gone
}
