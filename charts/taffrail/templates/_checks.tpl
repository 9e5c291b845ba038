{{/* Values that are each valid but conflict with each other. A schema could refuse them too, but not say why. */}}
{{- define "taffrail.check" -}}
{{- if and (hasKey .Values "enabled") (not .Values.enabled) -}}
{{- fail "enabled false: only a parent chart that names this key as the condition of its dependency can leave Taffrail out, and there is no parent chart; leave the key out" -}}
{{- end -}}
{{- if hasKey .Values.webhooks "validate" -}}
{{- fail "webhooks.validate has been replaced by an entry for each group of kinds: write webhooks.workloads, webhooks.services, webhooks.secrets and webhooks.configMaps, and leave webhooks.validate out" -}}
{{- end -}}
{{- range $extra := .Values.extraKinds -}}
{{- range $resource := $extra.resources -}}
{{- if and (eq $extra.group "") (has (splitList "/" $resource | first) (list "pods" "replicationcontrollers" "services" "persistentvolumeclaims" "secrets" "configmaps" "namespaces" "bindings")) -}}
{{- fail (printf "extraKinds names %s, which has an entry of its own; leave it out" $resource) -}}
{{- end -}}
{{- if has $extra.group (list "admissionregistration.k8s.io" "taffrail.dev") -}}
{{- fail (printf "extraKinds names %s.%s: what switches Taffrail off must not wait for it; leave it out" $resource $extra.group) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- $closed := include "taffrail.closedEntries" (list . "taffrail.wantedFailurePolicy") | fromJsonArray -}}
{{- $fail := gt (len $closed) 0 -}}
{{- if and $fail (lt (int .Values.replicas) 2) -}}
{{- fail (printf "failurePolicy Fail with replicas %d: whenever that Pod is unavailable, requests are refused; write replicas: 2 or more, or failurePolicy: Ignore" (int .Values.replicas)) -}}
{{- end -}}
{{- if and $fail (not .Values.excludeReleaseNamespace) -}}
{{- fail (printf "failurePolicy Fail with excludeReleaseNamespace false: once all replicas are gone, their own webhook would refuse the Pods that replace them; write excludeReleaseNamespace: true, or failurePolicy: Ignore") -}}
{{- end -}}
{{- if and $fail (not (has "kube-system" .Values.excludeNamespaces)) -}}
{{- fail "failurePolicy Fail without kube-system in excludeNamespaces: while Taffrail is unavailable, the cluster could not repair its own network or DNS; add kube-system to excludeNamespaces, or write failurePolicy: Ignore" -}}
{{- end -}}
{{- if and $fail (not .Values.podDisruptionBudget.enabled) -}}
{{- fail "failurePolicy Fail with podDisruptionBudget.enabled false: a drain may take every replica at once, and requests are refused until one is back; write podDisruptionBudget.enabled: true" -}}
{{- end -}}
{{- if .Values.podDisruptionBudget.enabled -}}
{{- if lt (int .Values.podDisruptionBudget.maxUnavailable) 1 -}}
{{- fail "podDisruptionBudget.maxUnavailable 0: no replica could ever be evicted, so the drain of a node would never end; write podDisruptionBudget.maxUnavailable: 1, or podDisruptionBudget.enabled: false" -}}
{{- end -}}
{{- if and $fail (ge (int .Values.podDisruptionBudget.maxUnavailable) (int .Values.replicas)) -}}
{{- fail (printf "podDisruptionBudget.maxUnavailable %d with replicas %d and failurePolicy Fail: a drain may take every replica at once, and requests are refused until one is back; write podDisruptionBudget.maxUnavailable: 1" (int .Values.podDisruptionBudget.maxUnavailable) (int .Values.replicas)) -}}
{{- end -}}
{{- end -}}
{{- with .Values.certificates -}}
{{- if eq .mode "existing-secret" -}}
{{- if not .existingSecret.name -}}
{{- fail "certificates.mode existing-secret without certificates.existingSecret.name: Taffrail has no certificate to serve with; write the name of a Secret with tls.crt and tls.key" -}}
{{- end -}}
{{- if not .existingSecret.caBundle -}}
{{- fail "certificates.mode existing-secret without certificates.existingSecret.caBundle: the API server would trust no certificate of Taffrail's; pass the CA with --set-file certificates.existingSecret.caBundle=ca.crt" -}}
{{- end -}}
{{- end -}}
{{- include "taffrail.outlives" (list "selfManaged.caValidity" .selfManaged.caValidity "certificateValidity" .selfManaged.certificateValidity) -}}
{{- if not .certManager.issuerRef -}}
{{- include "taffrail.outlives" (list "certManager.caDuration" .certManager.caDuration "duration" .certManager.duration) -}}
{{- end -}}
{{- if ge (trimSuffix "h" .certManager.renewBefore | int64) (trimSuffix "h" .certManager.duration | int64) -}}
{{- fail (printf "certificates.certManager.renewBefore %s is not shorter than certificates.certManager.duration %s: the certificate would be renewed over and over; write a shorter one" .certManager.renewBefore .certManager.duration) -}}
{{- end -}}
{{- if and .certManager.issuerRef (not .certManager.issuerRef.name) -}}
{{- fail "certificates.certManager.issuerRef without a name: cert-manager could not find an issuer; write name and kind of an Issuer or ClusterIssuer, or issuerRef: {} for a CA of Taffrail's own" -}}
{{- end -}}
{{- end -}}
{{- with .Values.resources.limits -}}
{{- with .memory -}}
{{- $most := div (include "taffrail.bytes" . | int64) 25 -}}
{{- if gt (int64 $.Values.server.maxInFlightBytes) $most -}}
{{- fail (printf "server.maxInFlightBytes %d with resources.limits.memory %v: decoded, requests take 20 times their size, so the kernel would kill Taffrail before it sheds any; write server.maxInFlightBytes: %d or less, or a higher limit" (int64 $.Values.server.maxInFlightBytes) . $most) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- if and .Values.clientCA.names (not .Values.clientCA.configMap) -}}
{{- fail "clientCA.names without clientCA.configMap: no client certificate is required, so the names would restrict nobody; write the ConfigMap that holds the CA of the API server's client certificate, or clientCA.names: []" -}}
{{- end -}}
{{- if eq (int .Values.ports.webhook) (int .Values.ports.metrics) -}}
{{- fail (printf "ports.webhook and ports.metrics are both %d: one process cannot listen twice on a port; write two different ports" (int .Values.ports.webhook)) -}}
{{- end -}}
{{- if .Values.hostNetwork -}}
{{- range $name, $port := .Values.ports -}}
{{- if has (int $port) (list 10248 10249 10250 10255 10256) -}}
{{- fail (printf "ports.%s %d with hostNetwork: kubelet or kube-proxy has this port on every node; write another one" $name (int $port)) -}}
{{- end -}}
{{- if and (ge (int $port) 30000) (le (int $port) 32767) -}}
{{- fail (printf "ports.%s %d with hostNetwork: a Service of type NodePort may be given this port; write one below 30000" $name (int $port)) -}}
{{- end -}}
{{- end -}}
{{- if .Values.networkPolicy.enabled -}}
{{- fail "networkPolicy.enabled with hostNetwork: a NetworkPolicy does not apply to Pods on the host's network, so it would protect nothing; write networkPolicy.enabled: false, and restrict the ports in the nodes' firewall" -}}
{{- end -}}
{{- end -}}
{{- if and (not .Values.serviceAccount.create) (not .Values.serviceAccount.name) -}}
{{- fail "serviceAccount.create false without serviceAccount.name: the namespace's default account, and with it every Pod there, would get Taffrail's rights; write the name of an account that you created for Taffrail" -}}
{{- end -}}
{{- range $key := list "app.kubernetes.io/name" "app.kubernetes.io/instance" "app.kubernetes.io/component" -}}
{{- range $values := list "podLabels" "commonLabels" -}}
{{- if hasKey (index $.Values $values) $key -}}
{{- fail (printf "%s names %s: the Deployment and the Service select their Pods by it; write another label" $values $key) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{/* Called with the names and the values, in hours, of the validity of a CA and of what it signs. */}}
{{- define "taffrail.outlives" -}}
{{- $least := mul (trimSuffix "h" (index . 3) | int64) 3 -}}
{{- if lt (trimSuffix "h" (index . 1) | int64) $least -}}
{{- fail (printf "certificates.%s %s with %s %s: a CA must outlive what it signs while a new CA takes over; write %s: %dh or more" (index . 0) (index . 1) (index . 2) (index . 3) (splitList "." (index . 0) | last) $least) -}}
{{- end -}}
{{- end -}}
