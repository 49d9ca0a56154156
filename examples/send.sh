#!/bin/sh
# Sends the event in a file over HTTP; needs curl alone.
#
#     LOA_URL=https://... LOA_API_KEY=loa_van-phong-bo_... sh send.sh first-event.json
#
# 202 says that the event is on the disk and will be delivered; sending it again is harmless.

set -eu
file=${1:?usage: LOA_URL=https://... LOA_API_KEY=... send.sh FILE}
curl --fail-with-body --silent --show-error "${LOA_URL:?}/v1/events" \
  -H "Authorization: Bearer ${LOA_API_KEY:?}" \
  -H "Content-Type: application/cloudevents+json" \
  --data-binary "@$file"
