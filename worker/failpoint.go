//go:build !killpoints

package worker

// failpoint marks a place between two steps of an order at which a test has the process
// killed: see failpoint_on.go. In every other build it is nothing.
func failpoint(string) {}
