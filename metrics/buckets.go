package metrics

// The bounds of the histograms, in seconds. They are closest where somebody has to
// decide something, and end where a number stops to matter.
var (
	// An order takes a few milliseconds at the least, and waits for up to an hour
	// when a minute's quota of 400 is a large file's.
	orderBuckets = []float64{.005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30, 60, 120, 300, 600, 1800, 3600}
	// A call is never faster than the round trip to Hong Kong, and QFPAY_TIMEOUT
	// (10 s unless set) lies between two bounds, so that a call that just made it
	// and one that was given up do not share a bucket.
	gatewayBuckets = []float64{.05, .1, .2, .3, .5, .75, 1, 1.5, 2, 3, 5, 7.5, 9, 11, 15, 30}
	// The worker waits for leave for about a second at most; what is further off,
	// up to the length of the longest window, is deferred.
	leaveBuckets = []float64{.001, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 15, 30, 60}
)
