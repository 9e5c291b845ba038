{{/* What the entries of both webhook configurations share. */}}

{{/*
The entries that failurePolicy is the default of, in the order in which they are rendered. The other entries have a
default of their own.
*/}}
{{- define "taffrail.closableEntries" -}}
["workloads", "services", "secrets", "configMaps"]
{{- end -}}

{{/* What the values say for an entry, whatever maxMode is. Called with the root and the entry's key under webhooks. */}}
{{- define "taffrail.wantedFailurePolicy" -}}
{{- $root := index . 0 -}}
{{- $own := toString (index $root.Values.webhooks (index . 1)).failurePolicy -}}
{{- if and (not $own) (has (index . 1) (include "taffrail.closableEntries" $root | fromJsonArray)) -}}
{{- $own = toString $root.Values.failurePolicy -}}
{{- end -}}
{{- if eq $own "Fail" }}Fail{{ else }}Ignore{{ end -}}
{{- end -}}

{{/*
Fail refuses requests while Taffrail is unavailable, which a maxMode of warn or audit promises never to do. Any other
value, even an empty one, becomes Ignore: the API server treats an entry without failurePolicy as Fail. Called with the root and the entry's key under webhooks.
*/}}
{{- define "taffrail.failurePolicy" -}}
{{- if eq (toString (index . 0).Values.maxMode) "enforce" }}{{ include "taffrail.wantedFailurePolicy" . }}{{ else }}Ignore{{ end -}}
{{- end -}}

{{/* The keys of the entries that are rendered and closed, as a JSON list. With wanted, as if maxMode were enforce. */}}
{{- define "taffrail.closedEntries" -}}
{{- $root := index . 0 -}}
{{- $closed := list -}}
{{- range $key := concat (include "taffrail.closableEntries" $root | fromJsonArray) (list "extra" "metadata" "namespaces") -}}
{{- if and (include "taffrail.entryEnabled" (list $root $key)) (eq (include (index $ 1) (list $root $key)) "Fail") -}}
{{- $closed = append $closed $key -}}
{{- end -}}
{{- end -}}
{{- $closed | toJson -}}
{{- end -}}

{{/*
Whether an entry is rendered: "true" or nothing. With auto, an entry is left out if the chart creates Guardrails and none
of their policies is about a kind of the entry. A policy that is not in the library may be about any kind. Called with
the root and the entry's key under webhooks.
*/}}
{{- define "taffrail.entryEnabled" -}}
{{- $root := index . 0 -}}
{{- $key := index . 1 -}}
{{- if eq $key "extra" -}}
{{- if $root.Values.extraKinds }}true{{ end -}}
{{- else -}}
{{- $enabled := toString (index $root.Values.webhooks $key).enabled -}}
{{- if ne $enabled "auto" -}}
{{- if eq $enabled "true" }}true{{ end -}}
{{- else -}}
{{- $about := $root.Files.Get "files/entries.json" | fromJson -}}
{{- $guardrails := 0 -}}
{{- $found := false -}}
{{- range $name, $guardrail := $root.Values.guardrails -}}
{{- if $guardrail -}}
{{- $guardrails = add1 $guardrails -}}
{{- range $binding := $guardrail.policies -}}
{{- if not (has $binding.name $about.library) -}}
{{- $found = true -}}
{{- else if has $binding.name (index $about.entries $key) -}}
{{- $found = true -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- if or $found (eq (int $guardrails) 0) }}true{{ end -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{- define "taffrail.relaxFailurePolicy" -}}
{{- if eq (toString .Values.maxMode) "enforce" }}Fail{{ else }}Ignore{{ end -}}
{{- end -}}

{{/* What people cannot do while nobody answers: the rules of the closed entries, in their words. Empty if none is. */}}
{{- define "taffrail.heldUp" -}}
{{- $words := dict
  "workloads" "workloads" "services" "Services and volume claims" "secrets" "Secrets" "configMaps" "ConfigMaps"
  "extra" "the objects of extraKinds" "metadata" "labels and annotations through subresources" "namespaces" "Namespaces" -}}
{{- $held := list -}}
{{- range $key := include "taffrail.closedEntries" (list . "taffrail.failurePolicy") | fromJsonArray -}}
{{- $held = append $held (index $words $key) -}}
{{- end -}}
{{- if $held -}}
{{- if gt (len $held) 1 }}{{ initial $held | join ", " }} and {{ end }}{{ last $held }} cannot be created or changed
{{- end -}}
{{- end -}}

{{/* Called with the root and a path. Without a caBundle Taffrail, or cert-manager, puts one there, and an upgrade keeps it. */}}
{{- define "taffrail.clientConfig" -}}
{{- $root := index . 0 -}}
service:
  name: {{ include "taffrail.fullname" $root }}
  namespace: {{ $root.Release.Namespace }}
  path: {{ index . 1 }}
  port: 443
{{- if eq $root.Values.certificates.mode "existing-secret" }}
caBundle: {{ $root.Values.certificates.existingSecret.caBundle | b64enc }}
{{- end }}
{{- end -}}

{{- define "taffrail.webhookAnnotations" -}}
{{- $annotations := deepCopy .Values.webhooks.annotations -}}
{{- if eq .Values.certificates.mode "cert-manager" -}}
{{- $_ := set $annotations "cert-manager.io/inject-ca-from" (printf "%s/%s" .Release.Namespace (include "taffrail.fullname" .)) -}}
{{- end -}}
{{- with $annotations -}}
annotations:
  {{- toYaml . | nindent 2 }}
{{- end -}}
{{- end -}}

{{/* What every entry has. Called with the root, a path, and the entry's key under webhooks. */}}
{{- define "taffrail.entry" -}}
admissionReviewVersions: [v1]
clientConfig:
  {{- include "taffrail.clientConfig" (list (index . 0) (index . 1)) | nindent 2 }}
matchPolicy: Equivalent
sideEffects: None
timeoutSeconds: {{ (index (index . 0).Values.webhooks (index . 2)).timeoutSeconds }}
{{- end -}}

{{/*
A mirror Pod stands for what a kubelet already runs, so refusing it would only hide it. Both the annotation and the user
are asked for: either alone could be had by somebody else. Nothing here can fail for an object of any kind.
webhook/reach knows these expressions, and what they leave out; test/chart holds the two to each other.
*/}}
{{- define "taffrail.matchConditions" -}}
- name: not-a-mirror-pod
  expression: >-
    !(request.kind.group == "" && request.kind.kind == "Pod" && request.userInfo.username.startsWith("system:node:") &&
    has(object.metadata.annotations) && "kubernetes.io/config.mirror" in object.metadata.annotations)
- name: not-taffrail-itself
  expression: >-
    request.userInfo.username != "system:serviceaccount:{{ .Release.Namespace }}:{{ include "taffrail.serviceAccountName" . }}"
{{- end -}}

{{/*
A deletion must complete while Taffrail is unavailable: removing a finalizer is an UPDATE, and always passes. This
applies to every kind: everything but metadata and status is content.
*/}}
{{- define "taffrail.endOfDeletion" -}}
- name: not-the-end-of-a-deletion
  expression: >-
    request.operation != "UPDATE" || !has(oldObject.metadata.deletionTimestamp) ||
    object.metadata.?labels != oldObject.metadata.?labels || object.metadata.?annotations != oldObject.metadata.?annotations ||
    object.exists(k, k != "metadata" && k != "status" && (!(k in oldObject) || object[k] != oldObject[k])) ||
    oldObject.exists(k, k != "metadata" && k != "status" && !(k in object))
{{- end -}}

{{/* An entry that validates objects in namespaces. Called with the root, the entry's key, its name and its rules. */}}
{{- define "taffrail.objectEntry" -}}
{{- $root := index . 0 -}}
- name: {{ index . 2 }}
  {{- include "taffrail.entry" (list $root "/validate" (index . 1)) | nindent 2 }}
  failurePolicy: {{ include "taffrail.failurePolicy" (list $root (index . 1)) }}
  rules:
  {{- index . 3 | nindent 2 }}
  namespaceSelector:
    {{- include "taffrail.webhookNamespaceSelector" $root | nindent 4 }}
  matchConditions:
  {{- include "taffrail.endOfDeletion" $root | nindent 2 }}
  {{- include "taffrail.matchConditions" $root | nindent 2 }}
{{- end -}}

{{/* The rules of extraKinds. Called with the root, and the subresources to take: "main" all but status, "status" only these. */}}
{{- define "taffrail.extraRules" -}}
{{- $root := index . 0 -}}
{{- $status := eq (index . 1) "status" -}}
{{- range $kind := $root.Values.extraKinds -}}
{{- $resources := list -}}
{{- range $resource := $kind.resources -}}
{{- if eq (hasSuffix "/status" $resource) $status -}}
{{- $resources = append $resources $resource -}}
{{- end -}}
{{- end -}}
{{- if $resources }}
- operations: {{ if $status }}[UPDATE]{{ else }}{{ default (list "CREATE" "UPDATE") $kind.operations | toJson }}{{ end }}
  apiGroups: [{{ $kind.group | quote }}]
  apiVersions: {{ $kind.versions | toJson }}
  resources: {{ $resources | toJson }}
  scope: {{ default "Namespaced" $kind.scope }}
{{- end }}
{{- end -}}
{{- end -}}
