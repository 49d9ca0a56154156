# One image for every Loa process; the command says which: `run gateway`, `run deliver-email`, ...
# `--build-arg LOCK=requirements-tracing.lock`: with OpenTelemetry, for traces.
# For a release, `deploy/pin-images` pins the base by digest: --build-arg BASE=python:3.13-slim-trixie@sha256:...
ARG BASE=python:3.13-slim-trixie

FROM ${BASE} AS build
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1
WORKDIR /src
RUN python -m venv /opt/loa
ARG LOCK=requirements.lock
COPY requirements.lock requirements-tracing.lock ./
RUN /opt/loa/bin/python -m pip install --require-hashes -r ${LOCK}
COPY pyproject.toml README.md LICENSE ./
COPY contracts contracts
COPY design design
COPY channels channels
COPY producers producers
COPY consumers consumers
COPY sandbox sandbox
COPY examples examples
RUN /opt/loa/bin/python -m pip install --no-deps --no-build-isolation .

FROM ${BASE}
ARG VERSION=0.1.0
ARG REVISION=unknown
LABEL org.opencontainers.image.title="Loa" \
      org.opencontainers.image.description="The notification platform of Vietnam's Ministry of Home Affairs" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}"
COPY --from=build /opt/loa /opt/loa
RUN install -d -o 10001 -g 10001 -m 0700 /var/lib/loa
ENV PATH=/opt/loa/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    LOA_DATA_DIR=/var/lib/loa \
    LOA_HTTP_HOST=0.0.0.0 \
    LOA_HTTP_PORT=8080 \
    LOA_LOG_FORMAT=json
WORKDIR /var/lib/loa
USER 10001:10001
EXPOSE 8080
STOPSIGNAL SIGTERM
ENTRYPOINT ["loa"]
CMD ["up"]
