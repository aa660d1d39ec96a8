package worker

// The words of a trace: what the policy has decided, what was done, and what it was
// like when the journal did not allow it.

var thoughts = [actions]string{
	create: "decides to create the order", retract: "decides to take its create back", query: "decides to ask",
	closeOrder: "decides to close the order", reissue: "decides to take a new number", wait: "decides to come back later",
	waitNotFound: "decides to come back later, and to remember that nothing was found", settle: "decides on a result",
}

var deeds = [actions]string{
	create: "writes down that a create is about to leave", retract: "writes down that its create was not carried out",
	closeOrder: "writes down that a close is about to leave", reissue: "takes the next number", wait: "defers the order",
	waitNotFound: "defers the order, not found", settle: "publishes the result",
}

var refusals = [actions]string{
	create: "may not send a create any more", retract: "may not take its create back", closeOrder: "may not close any more",
	reissue: "may not take a new number", wait: "does not hold the order any more", waitNotFound: "does not hold the order any more",
	settle: "may not publish any more",
}

var recordNames = [records]string{
	none: "no such order", live: "it stands unpaid", bought: "it is paid", shut: "it is closed", ranOut: "it has expired",
	broken: "it failed at the channel", barred: "it was refused for good", others: "somebody else's order",
	earlier: "an older order", twofold: "two orders stand",
}

var endingNames = [...]string{unsettled: "none", endCreated: "created", endRejected: "rejected", endExpired: "expired",
	endUnresolved: "unresolved"}
