{{/* Names and labels of every object. */}}

{{- define "taffrail.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 63 | trimSuffix "-" -}}
{{- end -}}

{{/* 52 characters leave room for what is added, and a Service's name is a DNS label. */}}
{{- define "taffrail.fullname" -}}
{{- $name := include "taffrail.name" . -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 52 | trimSuffix "-" -}}
{{- else if contains $name .Release.Name -}}
{{- .Release.Name | trunc 52 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name $name | trunc 52 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}

{{- define "taffrail.serviceAccountName" -}}
{{- if .Values.serviceAccount.create -}}
{{- default (include "taffrail.fullname" .) .Values.serviceAccount.name -}}
{{- else -}}
{{- .Values.serviceAccount.name -}}
{{- end -}}
{{- end -}}

{{- define "taffrail.selectorLabels" -}}
app.kubernetes.io/name: {{ include "taffrail.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/component: webhook
{{- end -}}

{{- define "taffrail.auditSelectorLabels" -}}
app.kubernetes.io/name: {{ include "taffrail.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/component: audit
{{- end -}}

{{- define "taffrail.auditServiceAccountName" -}}
{{- default (printf "%s-audit" (include "taffrail.fullname" .)) .Values.audit.serviceAccountName -}}
{{- end -}}

{{/* The labels of objects that are not the webhook's Pods: a Job with the component label would be selected with them. */}}
{{- define "taffrail.labels" -}}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" | trunc 63 | trimSuffix "-" }}
app.kubernetes.io/name: {{ include "taffrail.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
app.kubernetes.io/part-of: taffrail
{{- with .Values.commonLabels }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{- define "taffrail.image" -}}
{{- with .Values.image -}}
{{- if .digest -}}
{{ .repository }}@{{ .digest }}
{{- else -}}
{{ .repository }}:{{ default $.Chart.AppVersion .tag }}
{{- end -}}
{{- end -}}
{{- end -}}

{{/*
The Secret that the webhook's certificate is in. cert-manager's has a name of its own: it is not Helm's, which would
refuse to make one where that is when the mode changes.
*/}}
{{- define "taffrail.certificateSecret" -}}
{{- if eq .Values.certificates.mode "existing-secret" -}}
{{ .Values.certificates.existingSecret.name }}
{{- else if eq .Values.certificates.mode "cert-manager" -}}
{{ include "taffrail.fullname" . }}-cert-manager-tls
{{- else -}}
{{ include "taffrail.fullname" . }}-tls
{{- end -}}
{{- end -}}
