package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"runtime"
	"runtime/pprof"
	"syscall"
	"time"
)

// serverRole marks the process that serves, so that its CPU time is its own and none
// of the client's.
const serverRole = "TAFFRAIL_BENCH_SERVER"

// usage is what the server process has used so far.
type usage struct {
	CPU            time.Duration
	Allocs, Allocd uint64
	// Resident is the memory of the process now.
	Resident int64
}

// usageHandler writes the usage of this process.
func usageHandler(w http.ResponseWriter, _ *http.Request) {
	cpu, err := processCPU()
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	var memory runtime.MemStats
	runtime.ReadMemStats(&memory)
	resident, err := residentOf(os.Getpid())
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	_ = json.NewEncoder(w).Encode(usage{CPU: cpu, Allocs: memory.Mallocs, Allocd: memory.TotalAlloc, Resident: resident})
}

// profiling starts a CPU profile of this process, and writes the profiles.
func profiling(w http.ResponseWriter, r *http.Request) {
	if err := profile(r.URL.Path == "/profile/start", r.URL.Query()); err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	w.WriteHeader(http.StatusOK)
}

func profile(begin bool, files url.Values) error {
	if begin {
		file, err := os.Create(files.Get("cpu"))
		if err != nil {
			return err
		}
		return pprof.StartCPUProfile(file)
	}
	pprof.StopCPUProfile()
	if name := files.Get("memory"); name != "" {
		return writeAllocations(name)
	}
	return nil
}

func writeAllocations(name string) error {
	file, err := os.Create(name)
	if err != nil {
		return err
	}
	return errors.Join(pprof.Lookup("allocs").WriteTo(file, 0), file.Close())
}

// startServer runs this program again as the server and returns its address.
func startServer(ctx context.Context, dir string) (string, func(), error) {
	executable, err := os.Executable()
	if err != nil {
		return "", nil, err
	}
	command := exec.CommandContext(ctx, executable)
	command.Env = append(os.Environ(), serverRole+"="+dir)
	command.Stderr = os.Stderr
	stdin, err := command.StdinPipe()
	if err != nil {
		return "", nil, err
	}
	stdout, err := command.StdoutPipe()
	if err != nil {
		return "", nil, err
	}
	if err := command.Start(); err != nil {
		return "", nil, err
	}
	var address string
	if _, err := fmt.Fscanln(stdout, &address); err != nil {
		return "", nil, fmt.Errorf("the server did not start: %w", err)
	}
	return address, func() {
		_ = stdin.Close()
		_ = command.Wait()
	}, nil
}

// usageOf returns the usage of a process that has ended.
func usageOf(state *os.ProcessState) (cpu time.Duration, peak int64) {
	cpu = state.UserTime() + state.SystemTime()
	if usage, ok := state.SysUsage().(*syscall.Rusage); ok {
		peak = usage.Maxrss << 10 // KiB on Linux
	}
	return cpu, peak
}
