//go:build unix

package server

import "syscall"

// maxFiles returns how many files the process may open. Go raises the soft limit to the hard limit at startup.
func maxFiles() (most uint64, known bool) {
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		return 0, false
	}
	return uint64(limit.Cur), true //nolint:unconvert // signed on some systems
}
