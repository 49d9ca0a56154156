"""Routes of the files that pages load."""

from collections.abc import Iterable, Mapping

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from design.assets import Asset, AssetFolder

_CACHE_FOR_A_YEAR = "public, max-age=31536000, immutable"


def asset_routes(
    head: str, assets: Iterable[Asset], headers: Mapping[str, str] | None = None
) -> list[Route]:
    """Routes of *assets* below *head*, with these *headers* beside those of a cache."""

    every = {"Cache-Control": _CACHE_FOR_A_YEAR, **(headers or {})}
    return [_route(f"{head}/{one.name}", one.body, one.media_type, every) for one in assets]


def folder_routes(head: str, folder: AssetFolder) -> list[Route]:
    """Routes of the files of *folder* below *head*."""
    every = {"Cache-Control": _CACHE_FOR_A_YEAR}
    return [
        _route(f"{head}/{folder.name}/{path}", body, folder.media_type(path), every)
        for path, body in folder.files.items()
    ]


def _route(path: str, body: bytes, media_type: str, headers: Mapping[str, str]) -> Route:
    def serve(_: Request) -> Response:
        return Response(body, media_type=media_type, headers=headers)

    return Route(path, serve)
