#!/bin/sh
# Sends the event in a file over HTTP; needs curl alone.
#
#     LOA_URL=https://... LOA_API_KEY=loa_van-phong-bo_... sh send.sh first-event.json
#     LOA_URL=https://... LOA_API_KEY=loa_van-phong-bo_... sh send.sh first-event.json dry-runs
#
# 202 says that the event is on the disk and will be delivered; sending it again is harmless. With
# `dry-runs` the answer says what would happen, and nothing is stored. A refusal ends with exit code
# 22, and the answer names each wrong field.

set -eu
file=${1:?usage: LOA_URL=https://... LOA_API_KEY=... send.sh FILE [dry-runs]}
curl --fail-with-body --silent --show-error "${LOA_URL:?}/v1/${2:-events}" \
  -H "Authorization: Bearer ${LOA_API_KEY:?}" \
  -H "Content-Type: application/cloudevents+json" \
  --data-binary "@$file"
