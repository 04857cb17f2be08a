{{- /* Invalid values fail at install, not in a pod that does not start. */}}
{{- define "storage-proxy.refusals" -}}
{{- if not .Values.secrets.waldurApiToken.existingSecret }}
{{- fail "secrets.waldurApiToken.existingSecret: name the Secret with Waldur's API token" }}
{{- end }}
{{- if not .Values.config.waldur_api_url }}{{ fail "config.waldur_api_url: say where Waldur is" }}{{ end }}
{{- if not .Values.storageSystems }}
{{- fail "storageSystems: name the storage systems, each with the slug of its offering" }}
{{- end }}
{{- if le (int .Values.terminationGracePeriodSeconds) (add 10 .Values.preStopSleepSeconds | int) }}
{{- fail "terminationGracePeriodSeconds must be above preStopSleepSeconds and the ten seconds that open requests get" }}
{{- end }}
{{- if .Values.valkey.enabled }}
{{- if not .Values.valkey.auth.existingSecret }}
{{- fail "valkey.auth.existingSecret: name the Secret with a password; what Valkey holds is served to provisioners" }}
{{- end }}
{{- if or .Values.secrets.cacheUrl.existingSecret (.Values.config.cache | default dict).url }}
{{- fail "valkey.enabled beside a cache URL: choose one" }}
{{- end }}
{{- end }}
{{- $policy := .Values.networkPolicy }}
{{- if and $policy.enabled $policy.egress (not $policy.limitEgress) }}
{{- $isByProxy := false }}
{{- range .Values.extraEnv }}{{ if hasSuffix "_PROXY" (upper .name) }}{{ $isByProxy = true }}{{ end }}{{ end }}
{{- range $name, $_ := .Values.env }}{{ if hasSuffix "_PROXY" $name }}{{ $isByProxy = true }}{{ end }}{{ end }}
{{- range $port, $name := include "storage-proxy.upstreamPorts" . | fromYaml }}
{{- $isOpen := false }}
{{- range $policy.egress }}
{{- if not .ports }}{{ $isOpen = true }}{{ end }}
{{- range .ports }}
{{- if or (not .port) (eq (toString .port) $port) (not (regexMatch "^[0-9]+$" (toString .port))) }}{{ $isOpen = true }}{{ end }}
{{- if .endPort }}{{ if and (le (int .port) (int $port)) (ge (int .endPort) (int $port)) }}{{ $isOpen = true }}{{ end }}{{ end }}
{{- end }}
{{- end }}
{{- if and (not $isOpen) (or (not $isByProxy) (hasPrefix "env." $name) (eq $name "config.cache.url" "secrets.cacheUrl")) }}
{{- fail (printf "networkPolicy.egress lets nothing out at port %s, which %s needs: add a rule, or set networkPolicy.limitEgress" $port $name) }}
{{- end }}
{{- end }}
{{- end }}
{{- end }}
