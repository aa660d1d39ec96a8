//go:build !failpoints

// Package failpoint marks places between two steps of an order at which tests kill or stop the
// process. Without the build tag failpoints it does nothing, and nothing of it is in the program.
package failpoint

// Hit marks a place between two steps of an order at which tests kill the process: see
// failpoint_on.go. In every other build it does nothing.
func Hit(string) {}
