package qfpay

import "context"

// request is one call to make.
type request struct {
	endpoint endpoint
	params   Params
	udid     bool                        // the order carries a udid
	maxBody  int64                       // bytes of an answer that are read
	intent   func(context.Context) error // called before anything is sent; may be nil
	read     func(*answer) error         // reads an answer with a respcd; may be nil
}

// maxAnswer is the longest answer to a create, a close or a reversal, in bytes. Real ones have about 500.
const maxAnswer = 64 << 10
