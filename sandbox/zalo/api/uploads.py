"""The sandbox's uploads: judged by the name's extension, kept for a week."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from secrets import token_hex

from aiohttp import web

from sandbox.zalo.api.message_content import extension
from sandbox.zalo.middleware import WORLD, ApiError, ok
from sandbox.zalo.state.world import World, month_label

MEGABYTE = 1 << 20


@dataclass(frozen=True)
class UploadKind:
    """One of Zalo's upload calls."""

    name: str
    extensions: tuple[str, ...]
    most: int
    key: str
    wrong: tuple[int, str]
    big: tuple[int, str]
    out: tuple[int, str]


def upload_kind(
    name: str, extensions: tuple[str, ...], most: int, key: str, only: str
) -> UploadKind:
    return UploadKind(
        name,
        extensions,
        most,
        key,
        (-201, f"file is invalid. We only support {only}"),
        (-210, "Parameter exceeds allowable limit"),
        (-211, "Out of quota"),
    )


IMAGE = upload_kind("image", ("jpg", "jpeg", "png"), MEGABYTE, "attachment_id", "png and jpeg")
GIF = upload_kind("gif", ("gif",), 5 * MEGABYTE, "attachment_id", "gif")
FILE = upload_kind(
    "file", ("pdf", "doc", "docx", "csv"), 5 * MEGABYTE, "token", "pdf, doc, docx and csv"
)
ASSET = UploadKind(
    "asset",
    ("jpg", "jpeg", "png"),
    500 * 1024,
    "media_id",
    (-159, "File format is invalid"),
    (-158, "File size exceeds the limit"),
    (-160, "Upload quota is exceeded"),
)


def upload_handler(sort: UploadKind) -> Callable[[web.Request], Awaitable[web.Response]]:
    """The handler of one upload call."""

    async def take(request: web.Request) -> web.Response:
        world = request.app[WORLD]
        name, size = await read_file(request)
        if not extension_of(name):
            return ok({})
        check_upload(world, sort, name, size)
        id = token_hex(20)
        world.record("upload_kept", id=id, sort=sort.name, name=name, size=size)
        return ok({sort.key: id})

    return take


async def read_file(request: web.Request) -> tuple[str, int]:
    """Name and size of the part `file`."""
    part = (await request.post()).get("file")
    if not isinstance(part, web.FileField):
        raise ApiError(-201, "file is invalid!")
    return part.filename, part.file.seek(0, 2)


def check_upload(world: World, sort: UploadKind, name: str, size: int) -> None:
    if extension_of(name) not in sort.extensions:
        raise ApiError(*sort.wrong)
    if size > sort.most:
        raise ApiError(*sort.big)
    now = month_label(world.clock())
    kept = (one for one in world.templates.uploads.values() if one.sort == sort.name)
    if sum(month_label(one.at) == now for one in kept) >= world.rules.upload_quota:
        raise ApiError(*sort.out)


def extension_of(name: str) -> str:
    return extension(name) if "." in name else ""
