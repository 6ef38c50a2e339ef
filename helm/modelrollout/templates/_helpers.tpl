{{- define "modelrollout.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 63 | trimSuffix "-" }}
{{- end }}

{{- define "modelrollout.fullname" -}}
{{- if .Values.fullnameOverride }}
{{- .Values.fullnameOverride | trunc 63 | trimSuffix "-" }}
{{- else if contains (include "modelrollout.name" .) .Release.Name }}
{{- .Release.Name | trunc 63 | trimSuffix "-" }}
{{- else }}
{{- printf "%s-%s" .Release.Name (include "modelrollout.name" .) | trunc 63 | trimSuffix "-" }}
{{- end }}
{{- end }}

{{- define "modelrollout.serviceAccount" -}}
{{- if .Values.serviceAccount.create }}
{{- default (include "modelrollout.fullname" .) .Values.serviceAccount.name }}
{{- else }}
{{- required "serviceAccount.name is needed where serviceAccount.create is false" .Values.serviceAccount.name }}
{{- end }}
{{- end }}

{{- define "modelrollout.image" -}}
{{- if eq .Values.image.tag "latest" }}
{{- fail "image.tag must not be latest, which says nothing of the version and makes an upgrade do nothing: name a version" }}
{{- end }}
{{- if .Values.image.digest }}
{{- printf "%s@%s" .Values.image.repository .Values.image.digest }}
{{- else }}
{{- printf "%s:%s" .Values.image.repository (default .Chart.AppVersion .Values.image.tag) }}
{{- end }}
{{- end }}

{{- define "modelrollout.observerImage" -}}
{{- with .Values.observer.image }}
{{- if .digest }}
{{- printf "%s@%s" .repository .digest }}
{{- else }}
{{- printf "%s:%s" .repository (coalesce .tag $.Values.image.tag $.Chart.AppVersion) }}
{{- end }}
{{- end }}
{{- end }}

{{- define "modelrollout.labels" -}}
app.kubernetes.io/name: modelrollout
app.kubernetes.io/part-of: modelrollout
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name (.Chart.Version | replace "+" "_") }}
{{- end }}

{{/* What the Deployment, the Service, the budget and the policy choose pods by. */}}
{{- define "modelrollout.selector" -}}
app: {{ include "modelrollout.fullname" . }}
{{- end }}

{{/* The objects of a file that is the same in manifests/, each with the release's labels. Takes (dict "root" . "text" TEXT). */}}
{{- define "modelrollout.objects" -}}
{{- $labels := include "modelrollout.labels" .root | fromYaml }}
{{- range $text := regexSplit "(?m)^---$" .text -1 }}
{{- with fromYaml $text }}
{{- $_ := set .metadata "labels" (merge (default dict .metadata.labels) $labels) }}
---
{{ toYaml . }}
{{- end }}
{{- end }}
{{- end }}
