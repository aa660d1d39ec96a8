package worker

import "github.com/qfpay-worker/qfpay-worker/worker/internal/policy"

// The words of a trace: what the policy has decided, what was done, and what it was
// like when the journal did not allow it.

var thoughts = [policy.Actions]string{
	policy.Create: "decides to create the order", policy.Retract: "decides to take its create back", policy.Query: "decides to ask",
	policy.CloseOrder: "decides to close the order", policy.Reissue: "decides to take a new number", policy.Wait: "decides to come back later",
	policy.WaitNotFound: "decides to come back later, and to remember that nothing was found", policy.Settle: "decides on a result",
}

var deeds = [policy.Actions]string{
	policy.Create: "writes down that a create is about to leave", policy.Retract: "writes down that its create was not carried out",
	policy.CloseOrder: "writes down that a close is about to leave", policy.Reissue: "takes the next number", policy.Wait: "defers the order",
	policy.WaitNotFound: "defers the order, not found", policy.Settle: "publishes the result",
}

var refusals = [policy.Actions]string{
	policy.Create: "may not send a create any more", policy.Retract: "may not take its create back", policy.CloseOrder: "may not close any more",
	policy.Reissue: "may not take a new number", policy.Wait: "does not hold the order any more", policy.WaitNotFound: "does not hold the order any more",
	policy.Settle: "may not publish any more",
}

var recordNames = [records]string{
	none: "no such order", live: "it stands unpaid", bought: "it is paid", shut: "it is closed", ranOut: "it has expired",
	broken: "it failed at the channel", barred: "it was refused for good", others: "somebody else's order",
	earlier: "an older order", twofold: "two orders stand",
}

var endingNames = [...]string{unsettled: "none", endCreated: "created", endRejected: "rejected", endExpired: "expired",
	endUnresolved: "unresolved", endCancelled: "cancelled"}
