//go:build !windows

package conns

import "syscall"

// descriptors returns how many files and connections the process may have open, or 0 if the system does
// not say.
func descriptors() uint64 {
	var files syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &files); err != nil {
		return 0
	}
	return files.Cur
}
