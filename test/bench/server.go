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
	"strings"
	"time"

	"github.com/go-logr/logr"
	"github.com/prometheus/client_golang/prometheus"
	admissionv1 "k8s.io/api/admission/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"taffrail.dev/webhook/admission"
	"taffrail.dev/webhook/decision"
	"taffrail.dev/webhook/metrics"
	"taffrail.dev/webhook/request"
)

// The handlers that are compared, by path.
const (
	pathNoop     = "/noop"
	pathDecode   = "/decode"
	pathNative   = "/native"
	pathTaffrail = "/taffrail"
	pathMany     = "/many"
)

// serve listens on loopback with the certificate in dir, prints its address, and runs
// until stdin closes.
func serve(dir string) error {
	ctx := context.Background()
	mux := http.NewServeMux()
	mux.HandleFunc(pathNoop+"/", noop)
	mux.HandleFunc(pathDecode+"/", decode)
	mux.HandleFunc(pathNative+"/", nativeHandler)
	mux.HandleFunc("/usage", usageHandler)
	mux.HandleFunc("/profile/", profiling)
	for path, extra := range map[string]int{pathTaffrail: 0, pathMany: extraPolicies} {
		decider, err := deciderWith(ctx, extra)
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
	listener, err := listen.Listen(ctx, "tcp", "127.0.0.1:0")
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
	respond(w, reviewUID, nil)
}

// decode does what any webhook must: the review into its type, the object into a map.
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
	respond(w, in.Request.UID, nil)
}

// nativeHandler is Taffrail's own reading with the checks written by hand.
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
	respond(w, types.UID(request.UID), native(request))
}

// declaredIsEffective is enrichment in a namespace without LimitRanges.
func declaredIsEffective(r *decision.Request) {
	if r.Workload == nil {
		return
	}
	for i := range r.Workload.Containers {
		r.Workload.Containers[i].Effective = r.Workload.Containers[i].Declared
	}
}

func respond(w http.ResponseWriter, uid types.UID, findings []string) {
	answer := &admissionv1.AdmissionResponse{UID: uid, Allowed: len(findings) == 0}
	if !answer.Allowed {
		answer.Result = &metav1.Status{Status: metav1.StatusFailure, Code: http.StatusForbidden, Message: strings.Join(findings, "\n")}
	}
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(admissionv1.AdmissionReview{
		TypeMeta: metav1.TypeMeta{APIVersion: "admission.k8s.io/v1", Kind: "AdmissionReview"}, Response: answer,
	})
}
