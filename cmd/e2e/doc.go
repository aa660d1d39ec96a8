// Package e2e tests the programs as they are used: separate processes of both
// binaries, a redis-server of their own and the simulator on a port. The tests know what
// contract and command line say, read standard output, the result stream and
// /metrics, and ask the simulator's books whether it is true. Of the project they use
// package tasks, as a producer does, and nothing of the worker.
//
// It holds tests only.
package e2e
