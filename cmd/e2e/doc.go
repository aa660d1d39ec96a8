// Package e2e tests the programs as they are used: separate processes of both binaries, with
// their own redis-server and the simulator on a port. The tests use only the documented
// interface: command line, standard output, the result stream and /metrics. They compare these
// with the simulator's ledger. Of the project's code they use package tasks, like a producer, and
// nothing of the worker.
//
// It contains only tests.
package e2e
