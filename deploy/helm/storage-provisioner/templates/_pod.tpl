{{- define "storage-provisioner.name" -}}
{{- if contains .Chart.Name .Release.Name }}{{ .Release.Name | trunc 50 | trimSuffix "-" }}
{{- else }}{{ printf "%s-%s" .Release.Name .Chart.Name | trunc 50 | trimSuffix "-" }}
{{- end }}
{{- end }}

{{- define "storage-provisioner.selector" -}}
app.kubernetes.io/name: {{ .Chart.Name }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "storage-provisioner.labels" -}}
{{ include "storage-provisioner.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
{{- end }}

{{- define "storage-provisioner.config" -}}
{{ mergeOverwrite (deepCopy .Values.config) (dict "state_path" "/var/lib/storage-provisioner") | toYaml }}
{{- end }}

{{- define "storage-provisioner.stateClaim" -}}
{{ .Values.state.existingClaim | default (printf "%s-state" (include "storage-provisioner.name" .)) }}
{{- end }}

{{- /* Invalid values fail at install, not in a pod that does not start. */}}
{{- define "storage-provisioner.refusals" -}}
{{- if not .Values.secrets.waldurApiToken.existingSecret }}
{{- fail "secrets.waldurApiToken.existingSecret: name the Secret with Waldur's API token" }}
{{- end }}
{{- range $system, $about := .Values.config.storage_systems }}
{{- $isMounted := false }}
{{- range $.Values.roots }}
{{- if hasPrefix (printf "%s/" .mountPath) (printf "%s/" $about.root) }}{{ $isMounted = true }}{{ end }}
{{- end }}
{{- if not $isMounted }}
{{- fail (printf "config.storage_systems.%s.root %s: no mountPath of `roots` has it" $system $about.root) }}
{{- end }}
{{- end }}
{{- end }}

{{- define "storage-provisioner.pod" -}}
{{- $command := first .Values.command }}
{{- $secretFiles := dict "waldurApiToken" "waldur-api-token" "proxyClientSecret" "proxy-client-secret" "vastToken" "vast-token" "vastPassword" "vast-password" }}
metadata:
  labels: {{- include "storage-provisioner.labels" . | nindent 4 }}
  annotations:
    # Settings and drivers are read at the start.
    checksum/config: {{ include "storage-provisioner.config" . | sha256sum }}
    {{- with .Values.podAnnotations }}{{ toYaml . | nindent 4 }}{{ end }}
spec:
  serviceAccountName: {{ include "storage-provisioner.name" . }}
  automountServiceAccountToken: false
  enableServiceLinks: false
  {{- with .Values.imagePullSecrets }}
  imagePullSecrets: {{- toYaml . | nindent 4 }}
  {{- end }}
  terminationGracePeriodSeconds: {{ .Values.terminationGracePeriodSeconds }}
  {{- if ne $command "run" }}
  restartPolicy: Never
  {{- end }}
  containers:
    - name: storage-provisioner
      {{- with .Values.image }}
      image: {{ ternary (printf "%s@%s" .repository .digest) (printf "%s:%s" .repository (.tag | default $.Chart.AppVersion)) (ne .digest "") | quote }}
      imagePullPolicy: {{ .pullPolicy }}
      {{- end }}
      args:
        {{- toYaml .Values.command | nindent 8 }}
        - --config=/etc/storage-provisioner/config.yaml
        {{- if eq $command "run" }}
        - --host=$(POD_IP)
        - --port=9464
        {{- end }}
      {{- if eq $command "run" }}
      ports:
        - { name: metrics, containerPort: 9464, protocol: TCP }
      # /health fails while the list cannot be read, which a restart does not repair.
      startupProbe:
        httpGet: { path: /metrics, port: metrics }
        periodSeconds: 5
        failureThreshold: 24
      livenessProbe:
        httpGet: { path: /metrics, port: metrics }
        periodSeconds: 20
        timeoutSeconds: 10
        failureThreshold: 6
      readinessProbe:
        httpGet: { path: /health, port: metrics }
        periodSeconds: 10
        timeoutSeconds: 5
      {{- end }}
      env:
        {{- if eq $command "run" }}
        - name: POD_IP
          valueFrom: { fieldRef: { fieldPath: status.podIP } }
        {{- end }}
        {{- range $key, $file := $secretFiles }}
        {{- if (index $.Values.secrets $key).existingSecret }}
        - { name: {{ $file | replace "-" "_" | upper }}_FILE, value: /run/secrets/storage-provisioner/{{ $file }} }
        {{- end }}
        {{- end }}
      securityContext: {{- toYaml .Values.securityContext | nindent 8 }}
      resources: {{- toYaml .Values.resources | nindent 8 }}
      volumeMounts:
        - { name: config, mountPath: /etc/storage-provisioner, readOnly: true }
        - { name: secrets, mountPath: /run/secrets/storage-provisioner, readOnly: true }
        - { name: state, mountPath: /var/lib/storage-provisioner }
        {{- /* HostToContainer: what the node mounts there later is seen, too. */}}
        {{- range $index, $root := .Values.roots }}
        - { name: root-{{ $index }}, mountPath: {{ $root.mountPath | quote }}, mountPropagation: HostToContainer, readOnly: {{ has $command (list "drift" "plan" "status") }} }
        {{- end }}
        {{- with .Values.extraVolumeMounts }}{{ toYaml . | nindent 8 }}{{ end }}
  volumes:
    - name: config
      configMap: { name: {{ include "storage-provisioner.name" . }} }
    - name: secrets
      projected:
        defaultMode: 0400
        sources:
          {{- range $key, $file := $secretFiles }}
          {{- with index $.Values.secrets $key }}
          {{- if .existingSecret }}
          - secret: { name: {{ .existingSecret }}, items: [{ key: {{ .key }}, path: {{ $file }} }] }
          {{- end }}
          {{- end }}
          {{- end }}
    - name: state
      persistentVolumeClaim: { claimName: {{ include "storage-provisioner.stateClaim" . }} }
    {{- range $index, $root := .Values.roots }}
    - name: root-{{ $index }}
      {{- toYaml $root.volume | nindent 6 }}
    {{- end }}
    {{- with .Values.extraVolumes }}{{ toYaml . | nindent 4 }}{{ end }}
  {{- with .Values.nodeSelector }}
  nodeSelector: {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with .Values.tolerations }}
  tolerations: {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with .Values.affinity }}
  affinity: {{- toYaml . | nindent 4 }}
  {{- end }}
{{- end }}
