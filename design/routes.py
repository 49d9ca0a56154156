"""Routes of the files that pages load."""

from collections.abc import Callable, Iterable, Mapping

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from design.assets import Asset

_CACHE_FOR_A_YEAR = "public, max-age=31536000, immutable"


def asset_routes(
    head: str, assets: Iterable[Asset], headers: Mapping[str, str] | None = None
) -> list[Route]:
    """Routes of *assets* below *head*, with these *headers* beside those of a cache."""

    def serve(asset: Asset) -> Callable[[Request], Response]:
        every = {"Cache-Control": _CACHE_FOR_A_YEAR, **(headers or {})}
        return lambda _: Response(asset.body, media_type=asset.media_type, headers=every)

    return [Route(f"{head}/{asset.name}", serve(asset)) for asset in assets]
