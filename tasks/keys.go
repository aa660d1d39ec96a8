package tasks

import "strings"

// DefaultPrefix is the prefix of every key. It is a hash tag, so that the keys of one order
// and the result stream share a slot of a Redis Cluster.
const DefaultPrefix = "{qfpay}"

// TypeCreate is asynq's task type for "create one MPM payment".
const TypeCreate = "qfpay:mpm:create"

// Keys has the names of all keys in Redis. One prefix is one shard.
type Keys struct{ Prefix string }

// Order is the journal of one order: a hash.
func (k Keys) Order(id string) string { return k.Prefix + ":order:" + id }

// Due is the sorted set of orders without a result. The score is the millisecond at which a
// worker must check the order.
func (k Keys) Due() string { return k.Prefix + ":due" }

// Scheduled is the sorted set of the orders in due whose not_before is ahead, for counting them. The
// score is the millisecond of their not_before; those that are over mean nothing, and are removed.
func (k Keys) Scheduled() string { return k.Prefix + ":scheduled" }

// Damaged is the sorted set of orders that were put aside because their journals are damaged. The
// score is the millisecond at which that was.
func (k Keys) Damaged() string { return k.Prefix + ":damaged" }

// Results is the result stream.
func (k Keys) Results() string { return k.Prefix + ":results" }

// Trimming exists for about a minute after a worker has trimmed a stream of results or payments.
func (k Keys) Trimming(stream string) string { return stream + ":trimming" }

// Requests is the stream to which producers in any language add orders.
func (k Keys) Requests() string { return k.Prefix + ":requests" }

// Rejected is the stream of requests that could not be accepted as an order.
func (k Keys) Rejected() string { return k.Prefix + ":requests:rejected" }

// Calls is the limiter's state for one app_code.
func (k Keys) Calls(appCode string) string { return k.Prefix + ":calls:" + appCode }

// Waiting is the sorted set of app_codes that have orders in wait queues. The score is the
// millisecond at which a dispatcher must look at them.
func (k Keys) Waiting() string { return k.Prefix + ":waiting" }

// Merchants is a hash: the merchants that running workers have, and the millisecond until which each
// is believed. It expires when no worker runs.
func (k Keys) Merchants() string { return k.Prefix + ":merchants" }

// UnknownMerchants is the sorted set of merchants that orders wait for and no running worker has. The
// score is the millisecond until which that is believed.
func (k Keys) UnknownMerchants() string { return k.Prefix + ":merchants:unknown" }

// Clock is a hash: what the workers last read of Redis's clock, so that they see when it goes back.
func (k Keys) Clock() string { return k.Prefix + ":clock" }

// Batch is a hash: the counters of one bulk run.
func (k Keys) Batch(name string) string { return k.Prefix + ":batch:" + name }

// Paused is a hash: the merchants, and their pay types, that a person has paused.
func (k Keys) Paused() string { return k.Prefix + ":paused" }

// Cancel is the stream to which producers in any language add requests to cancel an order.
func (k Keys) Cancel() string { return k.Prefix + ":cancel" }

// Payments is the stream of what became of published QR codes.
func (k Keys) Payments() string { return k.Prefix + ":payments" }

// Open is the sorted set of a merchant's published QR codes that are neither paid nor dead, as far as the
// worker knows: order → ms of publication. Only workers that follow codes write it.
func (k Keys) Open(merchant string) string { return k.Prefix + ":open:" + merchant }

// Follower exists while a worker follows the open codes of a merchant: its token.
func (k Keys) Follower(merchant string) string { return k.Prefix + ":follower:" + merchant }

// Queue is asynq's queue for a lane. asynq adds a hash tag of its own.
func (k Keys) Queue(l Lane) string {
	return strings.Trim(k.Prefix, "{}") + ":" + string(l)
}
