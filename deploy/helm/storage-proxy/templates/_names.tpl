{{- define "storage-proxy.chart" -}}
{{ .Values.nameOverride | default .Chart.Name | trunc 50 | trimSuffix "-" }}
{{- end }}

{{- define "storage-proxy.name" -}}
{{- $chart := include "storage-proxy.chart" . }}
{{- if .Values.fullnameOverride }}{{ .Values.fullnameOverride | trunc 50 | trimSuffix "-" }}
{{- else if contains $chart .Release.Name }}{{ .Release.Name | trunc 50 | trimSuffix "-" }}
{{- else }}{{ printf "%s-%s" .Release.Name $chart | trunc 50 | trimSuffix "-" }}
{{- end }}
{{- end }}

{{- define "storage-proxy.serviceAccount" -}}
{{- if .Values.serviceAccount.name }}{{ .Values.serviceAccount.name }}
{{- else if .Values.serviceAccount.create }}{{ include "storage-proxy.name" . }}
{{- else }}default
{{- end }}
{{- end }}

{{- /* The immutable labels of a set of pods: (dict "root" $ "component" "proxy"). */}}
{{- define "storage-proxy.selector" -}}
app.kubernetes.io/name: {{ include "storage-proxy.chart" .root }}
app.kubernetes.io/instance: {{ .root.Release.Name }}
app.kubernetes.io/component: {{ .component }}
{{- end }}

{{- define "storage-proxy.labels" -}}
{{ include "storage-proxy.selector" . }}
app.kubernetes.io/version: {{ .root.Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .root.Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .root.Chart.Name .root.Chart.Version | replace "+" "_" }}
{{- with .root.Values.commonLabels }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{- /* (dict "image" .Values.image "tag" .Chart.AppVersion) */}}
{{- define "storage-proxy.image" -}}
{{- if .image.digest }}{{ .image.repository }}@{{ .image.digest }}
{{- else }}{{ .image.repository }}:{{ .image.tag | default .tag }}
{{- end }}
{{- end }}

{{- /* config.yaml, with a default for the path of the last snapshot. */}}
{{- define "storage-proxy.config" -}}
storage_systems:
{{- range .Values.storageSystems }}
  {{ .name | quote }}: {{ if .uuid }}{ slug: {{ .offering | quote }}, uuid: {{ .uuid | quote }} }{{ else }}{{ .offering | quote }}{{ end }}
{{- end }}
{{- $ours := dict "cache" (dict "path" "/var/lib/storage-proxy/snapshot") }}
{{- mergeOverwrite $ours (deepCopy .Values.config) | toYaml | nindent 0 }}
{{- end }}

{{- /* Secrets that the process receives as files, and the variables that name the files. */}}
{{- define "storage-proxy.secretFiles" -}}
waldurApiToken: { variable: WALDUR_API_TOKEN_FILE, file: waldur-api-token }
hpcUserClientSecret: { variable: HPC_USER_CLIENT_SECRET_FILE, file: hpc-user-client-secret }
keycloakClientSecret: { variable: CSCS_KEYCLOAK_CLIENT_SECRET_FILE, file: keycloak-client-secret }
cacheUrl: { variable: CACHE_URL_FILE, file: cache-url }
{{- end }}

{{- /* The TCP ports of the URLs in the values, each with the value that names it: `"443": config.waldur_api_url`. */}}
{{- define "storage-proxy.upstreamPorts" -}}
{{- $urls := dict "config.waldur_api_url" .Values.config.waldur_api_url "config.waldur_socks_proxy" .Values.config.waldur_socks_proxy }}
{{- range $section, $names := dict
  "hpc_user_api" (list "api_url" "oidc_token_url" "socks_proxy")
  "backend_settings" (list "hpc_user_api_url" "hpc_user_oidc_token_url" "hpc_user_socks_proxy")
  "auth" (list "keycloak_url" "socks_proxy")
  "cache" (list "url") }}
{{- range $names }}
{{- $_ := set $urls (printf "config.%s.%s" $section .) (get (get $.Values.config $section | default dict) .) }}
{{- end }}
{{- end }}
{{- if not (get (.Values.config.auth | default dict) "keycloak_url") }}
{{- $_ := set $urls "the default of config.auth.keycloak_url" "https://auth-tds.cscs.ch/auth/" }}
{{- end }}
{{- range $name, $value := .Values.env }}
{{- if regexMatch "(_ENDPOINT|_PROXY|_URL)$" $name }}{{ $_ := set $urls (printf "env.%s" $name) ($value | toString) }}{{ end }}
{{- end }}
{{- if .Values.secrets.cacheUrl.existingSecret }}{{ $_ := set $urls "secrets.cacheUrl" "redis://secret" }}{{ end }}
{{- if .Values.secrets.sentryDsn.existingSecret }}{{ $_ := set $urls "secrets.sentryDsn" "https://secret" }}{{ end }}
{{- range $name, $url := $urls }}
{{- if and $url (ne $name "env.NO_PROXY") }}
{{- $scheme := regexFind "^[A-Za-z0-9]+" (ternary $url (printf "http://%s" $url) (contains "://" $url)) | lower }}
{{- $authority := regexReplaceAll "^([A-Za-z0-9]+://)?([^/]*@)?([^/]*).*$" $url "${3}" }}
{{- $port := regexFind ":[0-9]+$" $authority | trimPrefix ":" | default (get (dict "http" "80" "https" "443" "redis" "6379" "rediss" "6379") $scheme | default "1080") }}
{{ $port | quote }}: {{ $name | quote }}
{{- end }}
{{- end }}
{{- end }}
