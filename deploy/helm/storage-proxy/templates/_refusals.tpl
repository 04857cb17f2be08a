{{- /* What cannot work is said at install, not by a pod that does not start. */}}
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
{{- end }}
