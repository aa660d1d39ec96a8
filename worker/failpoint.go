//go:build !failpoints

package worker

// failpoint marks a place between two steps of an order at which tests kill the process: see
// failpoint_on.go. In every other build it does nothing.
func failpoint(string) {}
