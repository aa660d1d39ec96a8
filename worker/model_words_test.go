package worker

// The words of a trace: what the policy has decided, what was done, and what it was
// like when the journal did not allow it.

var thoughts = [actions]string{
	submit: "decides to create the order", retract: "decides to take its create back", enquire: "decides to ask",
	void: "decides to close the order", mint: "decides to take a new number", wait: "decides to come back later",
	waitGone: "decides to come back later, and to remember that nothing was found", settle: "decides on a result",
}

var deeds = [actions]string{
	submit: "writes down that a create is about to leave", retract: "writes down that its create was not carried out",
	void: "writes down that a close is about to leave", mint: "takes the next number", wait: "puts the order down",
	waitGone: "puts the order down, not found", settle: "publishes the result",
}

var refusals = [actions]string{
	submit: "may not send a create any more", retract: "may not take its create back", void: "may not close any more",
	mint: "may not take a new number", wait: "does not hold the order any more", waitGone: "does not hold the order any more",
	settle: "may not publish any more",
}

var recordNames = [records]string{
	none: "no such order", live: "it stands unpaid", bought: "it is paid", shut: "it is closed", ranOut: "it has expired",
	broken: "it failed at the channel", barred: "it was refused for good", others: "somebody else's order",
	earlier: "an older order", twofold: "two orders stand",
}

var endingNames = [...]string{unsettled: "none", endCreated: "created", endRejected: "rejected", endExpired: "expired",
	endUnresolved: "unresolved"}
