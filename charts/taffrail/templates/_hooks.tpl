{{/* What the objects of hooks share. A hook that failed stays until the next try, for whoever wants to read its log. */}}

{{- define "taffrail.crdsHook" -}}
helm.sh/hook: pre-upgrade
helm.sh/hook-weight: {{ . | quote }}
helm.sh/hook-delete-policy: before-hook-creation,hook-succeeded
{{- end -}}

{{- define "taffrail.testHook" -}}
helm.sh/hook: test
helm.sh/hook-weight: {{ . | quote }}
helm.sh/hook-delete-policy: before-hook-creation,hook-succeeded
{{- end -}}

{{/* Called with the root and the arguments of taffrail. */}}
{{- define "taffrail.hookPod" -}}
{{- $root := index . 0 -}}
{{- with $root.Values.imagePullSecrets -}}
imagePullSecrets:
{{ toYaml . }}
{{ end -}}
{{- with $root.Values.nodeSelector -}}
nodeSelector:
  {{- toYaml . | nindent 2 }}
{{ end -}}
{{- with $root.Values.tolerations -}}
tolerations:
{{ toYaml . }}
{{ end -}}
securityContext:
  {{- include "taffrail.podSecurityContext" $root | nindent 2 }}
containers:
- name: {{ index . 1 }}
  image: {{ include "taffrail.image" $root }}
  imagePullPolicy: {{ $root.Values.image.pullPolicy }}
  args: {{ rest . | toJson }}
  resources:
    requests:
      cpu: 125m
      memory: 64Mi
    limits:
      cpu: 500m
      memory: 128Mi
  securityContext:
    {{- include "taffrail.securityContext" $root | nindent 4 }}
{{- end -}}
