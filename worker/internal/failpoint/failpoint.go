//go:build !failpoints

// Package failpoint marks places between two steps of an order at which tests kill or stop the
// process. Without the build tag failpoints it does nothing, and nothing of it is in the program.
package failpoint

import "time"

// Minute is how long a worker takes a minute in the life of a QR code to be. A test that cannot wait
// for minutes has another one: see failpoint_on.go.
const Minute = time.Minute

// Hit marks a place between two steps of an order at which tests kill the process: see
// failpoint_on.go. In every other build it does nothing.
func Hit(string) {}
