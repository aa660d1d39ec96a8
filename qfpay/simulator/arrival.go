package simulator

import "time"

// arrival is a request with all that decides how it is carried out.
type arrival struct {
	request request
	account Account
	known   bool // account is set
	signed  bool // its signature is right
	effect  effect
	wait    time.Duration // if not 0, the call is over quota, for this long
	due     time.Time     // when it is carried out
}
