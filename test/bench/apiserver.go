package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"path"
	"strings"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"taffrail.dev/policies"
	"taffrail.dev/webhook/api/v1alpha1"
	"taffrail.dev/webhook/config"
	"taffrail.dev/webhook/rego"
)

// startAPIServer serves what `taffrail serve` needs of an API server until it is ready: empty lists, watches
// on which nothing happens, and the built-in Guardrails. It writes a kubeconfig that leads to it.
func startAPIServer(ctx context.Context, kubeconfig string) (stop func(), err error) {
	catalog, err := rego.Load(policies.FS)
	if err != nil {
		return nil, err
	}
	guardrails := config.Default(catalog)
	var listen net.ListenConfig
	listener, err := listen.Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	text := fmt.Sprintf(`apiVersion: v1
kind: Config
current-context: bench
contexts: [{name: bench, context: {cluster: bench, user: bench}}]
clusters: [{name: bench, cluster: {server: "http://%s"}}]
users: [{name: bench, user: {}}]
`, listener.Addr())
	if err := os.WriteFile(kubeconfig, []byte(text), 0o600); err != nil {
		return nil, errors.Join(err, listener.Close())
	}
	server := &http.Server{Handler: emptyCluster(guardrails), ReadHeaderTimeout: time.Minute}
	go func() { _ = server.Serve(listener) }()
	return func() { _ = server.Close() }, nil
}

// listKinds are the kinds that the server watches.
var listKinds = map[string]string{
	"namespaces": "NamespaceList", "limitranges": "LimitRangeList", "resourcequotas": "ResourceQuotaList",
	"horizontalpodautoscalers": "HorizontalPodAutoscalerList", "persistentvolumeclaims": "PersistentVolumeClaimList", "storageclasses": "StorageClassList",
	"guardrails": "GuardrailList", "exemptions": "ExemptionList", "policies": "PolicyList",
	"validatingwebhookconfigurations": "ValidatingWebhookConfigurationList", "mutatingwebhookconfigurations": "MutatingWebhookConfigurationList",
}

// emptyCluster answers for every resource, as far as it is a list.
func emptyCluster(guardrails []v1alpha1.Guardrail) http.Handler {
	for i := range guardrails {
		guardrails[i].UID, guardrails[i].ResourceVersion, guardrails[i].Generation = "0c6d", "1", 1
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case r.Method != http.MethodGet:
			http.Error(w, "this cluster is read-only", http.StatusForbidden)
			return
		case r.URL.Query().Get("sendInitialEvents") != "":
			// As older API servers answer, which have no lists by watching.
			w.Header().Set("Content-Type", "application/json")
			w.WriteHeader(http.StatusUnprocessableEntity)
			_ = json.NewEncoder(w).Encode(metav1.Status{
				TypeMeta: metav1.TypeMeta{Kind: "Status", APIVersion: "v1"}, Status: metav1.StatusFailure,
				Reason: metav1.StatusReasonInvalid, Code: http.StatusUnprocessableEntity, Message: "sendInitialEvents is forbidden",
			})
			return
		case r.URL.Query().Get("watch") != "":
			w.Header().Set("Content-Type", "application/json")
			w.WriteHeader(http.StatusOK)
			_ = http.NewResponseController(w).Flush()
			<-r.Context().Done()
			return
		}
		folder, resource := path.Split(r.URL.Path)
		version := strings.Trim(strings.TrimPrefix(strings.TrimPrefix(folder, "/apis/"), "/api/"), "/")
		list := struct {
			metav1.TypeMeta `json:",inline"`
			metav1.ListMeta `json:"metadata"`
			Items           any `json:"items"`
		}{metav1.TypeMeta{Kind: listKinds[resource], APIVersion: version}, metav1.ListMeta{ResourceVersion: "1"}, []any{}}
		if list.Kind == "" {
			http.Error(w, "this cluster has no "+resource, http.StatusNotFound)
			return
		}
		if list.Kind == "GuardrailList" {
			list.Items = guardrails
		}
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(list)
	})
}
