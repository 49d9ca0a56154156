"""Traces to a collector, while the process runs; nothing of OpenTelemetry is imported without."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import structlog

from consumers.app.settings import TracingSettings
from consumers.status.facts import loa_version
from contracts.base import tracing

log = structlog.get_logger()


@asynccontextmanager
async def export_traces(settings: TracingSettings) -> AsyncIterator[None]:
    """Send spans to the collector, if its address is set and the extra `tracing` is installed."""
    if not settings.traces_url:
        yield
        return
    try:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter

        from consumers.runtime.otel import OtelTracer
    except ModuleNotFoundError as missing:
        log.warning("tracing_not_installed", missing=missing.name, install="loa[tracing]")
        yield
        return
    exporter = OTLPSpanExporter(settings.traces_url, headers=settings.headers)
    service = settings.service_name, loa_version()
    tracer = OtelTracer(exporter, service, settings.traces_sampler_arg)
    log.info("tracing_started", to=settings.traces_url)
    reporting = asyncio.create_task(tracer.report_drops())
    tracing.install(tracer)
    try:
        yield
    finally:
        tracing.install(None)
        reporting.cancel()
        await tracer.close()
