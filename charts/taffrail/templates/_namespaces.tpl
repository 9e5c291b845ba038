{{/* Which namespaces the webhooks and the chart's Guardrails reach. */}}

{{/* The namespaces that are never asked about, as a JSON list. */}}
{{- define "taffrail.excludedNamespaces" -}}
{{- $names := .Values.excludeNamespaces -}}
{{- if .Values.excludeReleaseNamespace -}}
{{- $names = append $names .Release.Namespace -}}
{{- end -}}
{{- if eq .Values.certificates.mode "cert-manager" -}}
{{- $names = append $names .Values.certificates.certManager.namespace -}}
{{- end -}}
{{- $names | uniq | toJson -}}
{{- end -}}

{{/* The namespaceSelector of the webhooks that ask about objects in namespaces, and about namespaces. */}}
{{- define "taffrail.webhookNamespaceSelector" -}}
{{- with .Values.namespaceSelector.matchLabels -}}
matchLabels:
  {{- toYaml . | nindent 2 }}
{{ end -}}
matchExpressions:
- key: kubernetes.io/metadata.name
  operator: NotIn
  values: {{ include "taffrail.excludedNamespaces" . }}
{{- with .Values.namespaceSelector.matchExpressions }}
{{ toYaml . }}
{{- end }}
{{- end -}}
