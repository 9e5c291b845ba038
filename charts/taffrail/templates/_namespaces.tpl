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

{{/*
The namespaceSelector of the webhooks that ask about objects in namespaces, and about namespaces. The API server refuses
an expression without values.
*/}}
{{- define "taffrail.webhookNamespaceSelector" -}}
{{- $expressions := default (list) .Values.namespaceSelector.matchExpressions -}}
{{- with include "taffrail.excludedNamespaces" . | fromJsonArray -}}
{{- $expressions = prepend $expressions (dict "key" "kubernetes.io/metadata.name" "operator" "NotIn" "values" .) -}}
{{- end -}}
{{- $selector := dict -}}
{{- with .Values.namespaceSelector.matchLabels -}}
{{- $_ := set $selector "matchLabels" . -}}
{{- end -}}
{{- with $expressions -}}
{{- $_ := set $selector "matchExpressions" . -}}
{{- end -}}
{{- toYaml $selector -}}
{{- end -}}
