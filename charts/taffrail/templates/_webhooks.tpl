{{/* What the entries of both webhook configurations share. */}}

{{/*
Fail refuses requests while Taffrail is away, which a ceiling of warn or audit promises never to do. Whatever else the
values say, even nothing, is Ignore: the API server takes an entry without failurePolicy for one that says Fail.
*/}}
{{- define "taffrail.failurePolicy" -}}
{{- if and (eq (toString .Values.maxMode) "enforce") (eq (toString .Values.failurePolicy) "Fail") }}Fail{{ else }}Ignore{{ end -}}
{{- end -}}

{{- define "taffrail.relaxFailurePolicy" -}}
{{- if eq (toString .Values.maxMode) "enforce" }}Fail{{ else }}Ignore{{ end -}}
{{- end -}}

{{/* What people cannot do while failurePolicy Fail holds and nobody answers: the rules of validate, in their words. */}}
{{- define "taffrail.heldUp" -}}
workloads, Services, Secrets, ConfigMaps and volume claims cannot be created or changed
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

{{/*
A mirror Pod stands for what a kubelet already runs, so refusing it would only hide it. Both the annotation and the user
are asked for: either alone could be had by somebody else. Nothing here can fail for an object of any kind.
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
