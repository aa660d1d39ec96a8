package qfpay

// RespCd is the result code of an answer.
type RespCd string

// Class is what an answer to a create means for what to do next.
type Class uint8

// The classes. Unknown codes are Doubt, never Refused: a wrong guess there is
// either a double payment or a lost one.
const (
	// Doubt: what became of the order is not known, or the number is known to the
	// gateway already. Enquire before anything else.
	Doubt Class = iota
	// Done: carried out.
	Done
	// Refused: will not succeed by repeating.
	Refused
	// Busy: not accepted; the same number may be sent again after a delay.
	Busy
	// Hold: the merchant's configuration or credentials are refused; every order
	// of this merchant would be. Its orders wait.
	Hold
)

// Meaning says in a few words what QFPay means by the code.
func (c RespCd) Meaning() string { return "" }
