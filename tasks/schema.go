package tasks

import _ "embed"

//go:embed schema/order.schema.json
var orderSchema string

//go:embed schema/result.schema.json
var resultSchema string

// OrderSchema returns the JSON Schema (2020-12) of an order, for producers in any
// language. It accepts what [ParseOrder] accepts, but for a few things that JSON
// Schema cannot say and its description names.
func OrderSchema() string { return orderSchema }

// ResultSchema returns the JSON Schema (2020-12) of a result. It accepts, with the
// fields of an entry as an object, what [ParseResult] accepts.
func ResultSchema() string { return resultSchema }
