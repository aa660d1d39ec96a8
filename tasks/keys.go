package tasks

import "strings"

// DefaultPrefix is the hash-tagged prefix of every key, so that the keys of one
// order and the result stream share a slot of a Redis Cluster.
const DefaultPrefix = "{qfpay}"

// TypeCreate is asynq's task type for "create one MPM payment".
const TypeCreate = "qfpay:mpm:create"

// Keys names everything in Redis. One prefix is one shard.
type Keys struct{ Prefix string }

// Order is the journal of one order: a hash.
func (k Keys) Order(id string) string { return k.Prefix + ":order:" + id }

// Due is the sorted set of orders without a result, scored by the millisecond at
// which somebody must look.
func (k Keys) Due() string { return k.Prefix + ":due" }

// Results is the result stream.
func (k Keys) Results() string { return k.Prefix + ":results" }

// Trimming is set while the result stream was just looked after.
func (k Keys) Trimming() string { return k.Prefix + ":results:trimming" }

// Requests is the stream on which producers in any language put orders.
func (k Keys) Requests() string { return k.Prefix + ":requests" }

// Rejected is the stream of what could not be accepted as an order.
func (k Keys) Rejected() string { return k.Prefix + ":requests:rejected" }

// Calls is the limiter's state for one app_code.
func (k Keys) Calls(appCode string) string { return k.Prefix + ":calls:" + appCode }

// Queue is asynq's queue for a lane. asynq adds a hash tag of its own.
func (k Keys) Queue(l Lane) string {
	return strings.Trim(k.Prefix, "{}") + ":" + string(l)
}
