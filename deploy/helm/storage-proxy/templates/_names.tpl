{{- define "storage-proxy.name" -}}
{{- if contains .Chart.Name .Release.Name }}{{ .Release.Name | trunc 50 | trimSuffix "-" }}
{{- else }}{{ printf "%s-%s" .Release.Name .Chart.Name | trunc 50 | trimSuffix "-" }}
{{- end }}
{{- end }}

{{- define "storage-proxy.serviceAccount" -}}
{{- if .Values.serviceAccount.name }}{{ .Values.serviceAccount.name }}
{{- else if .Values.serviceAccount.create }}{{ include "storage-proxy.name" . }}
{{- else }}default
{{- end }}
{{- end }}

{{- /* What never changes of a set of pods: (dict "root" $ "component" "proxy"). */}}
{{- define "storage-proxy.selector" -}}
app.kubernetes.io/name: {{ .root.Chart.Name }}
app.kubernetes.io/instance: {{ .root.Release.Name }}
app.kubernetes.io/component: {{ .component }}
{{- end }}

{{- define "storage-proxy.labels" -}}
{{ include "storage-proxy.selector" . }}
app.kubernetes.io/version: {{ .root.Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .root.Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .root.Chart.Name .root.Chart.Version | replace "+" "_" }}
{{- end }}

{{- /* (dict "image" .Values.image "tag" .Chart.AppVersion) */}}
{{- define "storage-proxy.image" -}}
{{- if .image.digest }}{{ .image.repository }}@{{ .image.digest }}
{{- else }}{{ .image.repository }}:{{ .image.tag | default .tag }}
{{- end }}
{{- end }}

{{- /* config.yaml, with the place of the last snapshot where nobody chose one. */}}
{{- define "storage-proxy.config" -}}
storage_systems:
{{- range .Values.storageSystems }}
  {{ .name | quote }}: {{ if .uuid }}{ slug: {{ .offering | quote }}, uuid: {{ .uuid | quote }} }{{ else }}{{ .offering | quote }}{{ end }}
{{- end }}
{{- $ours := dict "cache" (dict "path" "/var/lib/storage-proxy/snapshot") }}
{{- mergeOverwrite $ours (deepCopy .Values.config) | toYaml | nindent 0 }}
{{- end }}

{{- /* Secrets that reach the process as files, and the variables that name these. */}}
{{- define "storage-proxy.secretFiles" -}}
waldurApiToken: { variable: WALDUR_API_TOKEN_FILE, file: waldur-api-token }
hpcUserClientSecret: { variable: HPC_USER_CLIENT_SECRET_FILE, file: hpc-user-client-secret }
keycloakClientSecret: { variable: CSCS_KEYCLOAK_CLIENT_SECRET_FILE, file: keycloak-client-secret }
cacheUrl: { variable: CACHE_URL_FILE, file: cache-url }
{{- end }}

{{- /* No privileges, and nothing to write to but volumes. */}}
{{- define "storage-proxy.containerSecurity" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities: { drop: [ALL] }
{{- end }}
