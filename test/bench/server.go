package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"runtime"
	"runtime/pprof"
	"strings"
	"syscall"
	"time"

	"github.com/go-logr/logr"
	"github.com/prometheus/client_golang/prometheus"
	admissionv1 "k8s.io/api/admission/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"taffrail.dev/webhook/admission"
	"taffrail.dev/webhook/decision"
	"taffrail.dev/webhook/metrics"
	"taffrail.dev/webhook/pipeline"
	"taffrail.dev/webhook/request"
)

// serverRole marks the process that serves. It is a separate process so that its CPU time excludes the
// client's.
const serverRole = "TAFFRAIL_BENCH_SERVER"

// The handlers that are compared, by path.
const (
	pathNoop     = "/noop"
	pathDecode   = "/decode"
	pathNative   = "/native"
	pathFirst    = "/first"
	pathTaffrail = "/taffrail"
	pathMany     = "/many"
)

// serve listens on loopback with the certificate in dir, prints its address, and runs
// until stdin closes.
func serve(dir string) error {
	mux := http.NewServeMux()
	mux.HandleFunc(pathNoop, noop)
	mux.HandleFunc(pathDecode, decode)
	mux.HandleFunc(pathNative, nativeHandler)
	mux.HandleFunc("/cpu", cpu)
	mux.HandleFunc("/profile/", profiling)
	for path, with := range map[string]struct {
		extra int
		only  []string
	}{pathFirst: {only: spine}, pathTaffrail: {}, pathMany: {extra: extraPolicies}} {
		decider, err := deciderWith(with.extra, with.only...)
		if err != nil {
			return err
		}
		inner := http.NewServeMux()
		admission.New(admission.Options{
			Current: func() admission.Decider { return decider }, Log: logr.Discard(),
			Observers: []admission.Observer{metrics.NewRequests(prometheus.NewRegistry())},
		}).Register(inner)
		mux.Handle(path+"/", http.StripPrefix(path, inner))
	}
	var listen net.ListenConfig
	listener, err := listen.Listen(context.Background(), "tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	fmt.Println(listener.Addr())
	server := &http.Server{Handler: mux, TLSConfig: tlsConfig(), ReadHeaderTimeout: time.Minute}
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin)
		_ = server.Close()
	}()
	err = server.ServeTLS(listener, dir+"/tls.crt", dir+"/tls.key")
	if errors.Is(err, http.ErrServerClosed) {
		return nil
	}
	return err
}

func noop(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	_ = len(body)
	respond(w, "705ab4f5-6393-11e8-b7cc-42010a800002")
}

// decode does what any webhook must do: decode the review into its type, and the object into a map.
func decode(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	var in admissionv1.AdmissionReview
	var object map[string]any
	if err = json.Unmarshal(body, &in); err == nil {
		err = json.Unmarshal(in.Request.Object.Raw, &object)
	}
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	respond(w, string(in.Request.UID))
}

// nativeHandler parses with Taffrail's own code and then runs the checks written by hand.
func nativeHandler(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	request, err := request.Review(body, decision.OriginValidating)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	declaredIsEffective(request)
	if found := native(request); len(found) > 0 {
		http.Error(w, strings.Join(found, "\n"), http.StatusInternalServerError)
		return
	}
	respond(w, request.UID)
}

func respond(w http.ResponseWriter, uid string) {
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(admissionv1.AdmissionReview{
		TypeMeta: metav1.TypeMeta{APIVersion: "admission.k8s.io/v1", Kind: "AdmissionReview"},
		Response: &admissionv1.AdmissionResponse{UID: typesUID(uid), Allowed: true},
	})
}

// cpu returns the CPU time and the allocations of this process so far.
func cpu(w http.ResponseWriter, _ *http.Request) {
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	var memory runtime.MemStats
	runtime.ReadMemStats(&memory)
	_, _ = fmt.Fprintf(w, "%d %d %d", usage.Utime.Nano()+usage.Stime.Nano(), memory.Mallocs, memory.TotalAlloc)
}

// profiling starts and stops a CPU profile of this process.
func profiling(w http.ResponseWriter, r *http.Request) {
	if r.URL.Path == "/profile/stop" {
		pprof.StopCPUProfile()
	} else {
		file, err := os.Create(r.URL.Query().Get("file"))
		if err == nil {
			err = pprof.StartCPUProfile(file)
		}
		if err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
	}
	respond(w, "profile")
}

// startServer runs this program again as the server. It returns the server's address.
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

var _ pipeline.FactSource = noFacts{}
