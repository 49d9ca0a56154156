"""The sandbox's uploads: judged by the name's extension, kept for a week."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from secrets import token_hex

from aiohttp import web

from channels.zalo.sandbox.content import extension
from channels.zalo.sandbox.wire import WORLD, Refusal, ok
from channels.zalo.sandbox.world import World, month

MEGABYTE = 1 << 20


@dataclass(frozen=True)
class Sort:
    """One of Zalo's upload calls."""

    name: str
    extensions: tuple[str, ...]
    most: int
    key: str
    wrong: tuple[int, str]
    big: tuple[int, str]
    out: tuple[int, str]


def sort(name: str, extensions: tuple[str, ...], most: int, key: str, only: str) -> Sort:
    return Sort(
        name,
        extensions,
        most,
        key,
        (-201, f"file is invalid. We only support {only}"),
        (-210, "Parameter exceeds allowable limit"),
        (-211, "Out of quota"),
    )


IMAGE = sort("image", ("jpg", "jpeg", "png"), MEGABYTE, "attachment_id", "png and jpeg")
GIF = sort("gif", ("gif",), 5 * MEGABYTE, "attachment_id", "gif")
FILE = sort("file", ("pdf", "doc", "docx", "csv"), 5 * MEGABYTE, "token", "pdf, doc, docx and csv")
ASSET = Sort(
    "asset",
    ("jpg", "jpeg", "png"),
    500 * 1024,
    "media_id",
    (-159, "File format is invalid"),
    (-158, "File size exceeds the limit"),
    (-160, "Upload quota is exceeded"),
)


def taking(sort: Sort) -> Callable[[web.Request], Awaitable[web.Response]]:
    """The handler of one upload call."""

    async def take(request: web.Request) -> web.Response:
        world = request.app[WORLD]
        name, size = await file_of(request)
        if not extension_of(name):
            return ok({})
        check(world, sort, name, size)
        id = token_hex(20)
        world.record("upload_kept", id=id, sort=sort.name, name=name, size=size)
        return ok({sort.key: id})

    return take


async def file_of(request: web.Request) -> tuple[str, int]:
    """Name and size of the part `file`."""
    part = (await request.post()).get("file")
    if not isinstance(part, web.FileField):
        raise Refusal(-201, "file is invalid!")
    return part.filename, part.file.seek(0, 2)


def check(world: World, sort: Sort, name: str, size: int) -> None:
    if extension_of(name) not in sort.extensions:
        raise Refusal(*sort.wrong)
    if size > sort.most:
        raise Refusal(*sort.big)
    now = month(world.clock())
    kept = (one for one in world.shelf.uploads.values() if one.sort == sort.name)
    if sum(month(one.at) == now for one in kept) >= world.rules.upload_quota:
        raise Refusal(*sort.out)


def extension_of(name: str) -> str:
    return extension(name) if "." in name else ""
