{{/* What the Pods of the webhook and of the hooks share. */}}

{{/* A read-only root with nothing to write, no capability and no way to get one. */}}
{{- define "taffrail.podSecurityContext" -}}
runAsNonRoot: true
runAsUser: 65532
runAsGroup: 65532
fsGroup: 65532
seccompProfile:
  type: RuntimeDefault
{{- end -}}

{{- define "taffrail.securityContext" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities:
  drop: [ALL]
{{- end -}}

{{/* Durations in the values that sums are made of are whole seconds, as 5s. */}}
{{- define "taffrail.seconds" -}}
{{- trimSuffix "s" . | int64 -}}
{{- end -}}

{{/* A quantity of memory in bytes. */}}
{{- define "taffrail.bytes" -}}
{{- $text := . | toString -}}
{{- if kindIs "float64" . -}}{{- $text = int64 . | toString -}}{{- end -}}
{{- $units := dict "Ki" 1024 "Mi" 1048576 "Gi" 1073741824 "k" 1000 "M" 1000000 "G" 1000000000 "" 1 -}}
{{- mul (regexFind "^[0-9]+" $text | int64) (index $units (regexFind "[A-Za-z]*$" $text)) -}}
{{- end -}}

{{/* 80% of the memory limit, so that Go collects garbage before the kernel kills. Nothing without a limit. */}}
{{- define "taffrail.goMemLimit" -}}
{{- if .Values.goMemLimit -}}
{{- .Values.goMemLimit -}}
{{- else -}}
{{- with .Values.resources.limits -}}
{{- with .memory -}}
{{- div (mul (include "taffrail.bytes" . | int64) 4) 5 -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- end -}}
