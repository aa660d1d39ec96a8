//go:build !failpoints

package worker

// point marks a place between two steps of an order at which a test has the process
// killed: see points_chaos.go. In every other build it is nothing.
func point(string) {}
