"""The page `/metrics` in the formats of Prometheus."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Iterator

from prometheus_client import CollectorRegistry
from prometheus_client.core import Metric
from prometheus_client.exposition import choose_encoder
from prometheus_client.registry import Collector
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import ASGIApp

from consumers.app.web.health import create_app

ReadFamilies = Callable[[], Awaitable[Iterable[Metric]]]


class _Page(Collector):
    """The metrics of one scrape: the registries' metrics, then *families*."""

    def __init__(self, registries: Iterable[CollectorRegistry], families: Iterable[Metric]) -> None:
        self.registries, self.families = registries, families

    def collect(self) -> Iterator[Metric]:
        for registry in self.registries:
            yield from registry.collect()
        yield from self.families


def metrics_app(registries: Iterable[CollectorRegistry], read_families: ReadFamilies) -> ASGIApp:
    """Serve `/metrics`; writing thousands of lines is left to a thread."""

    async def metrics(request: Request) -> Response:
        encode, content_type = choose_encoder(request.headers.get("accept", ""))
        page = _Page(registries, await read_families())
        body = await asyncio.to_thread(encode, page)
        return Response(body, headers={"Content-Type": content_type})

    return create_app(Route("/metrics", metrics))
