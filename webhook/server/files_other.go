//go:build !unix

package server

func maxFiles() (most uint64, known bool) { return 0, false }
