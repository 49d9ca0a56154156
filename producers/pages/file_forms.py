"""Read a form with one file, in pieces as they come, into a folder that is removed afterwards."""

import asyncio
import shutil
import tempfile
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from http import HTTPStatus
from pathlib import Path
from typing import NamedTuple

from starlette.datastructures import FormData, UploadFile
from starlette.exceptions import HTTPException
from starlette.formparsers import MultiPartException, MultiPartParser
from starlette.requests import Request

from contracts.desk.uploads import FILE_MAX
from producers.pages.forms import FORM_BYTES, Form

_MEDIA_TYPE = "multipart/form-data"
_MAX_FIELDS = 200
_DISCARDED_MAX = 10 * FILE_MAX
"""Of a file that is too large: read, and not kept, so that the fields beside it are."""
_TIMEOUT_S = 300.0
"""20 MB over a line of 600 kbit/s."""


class UploadedFile(NamedTuple):
    """A file on the disk, and the name that the browser gave it."""

    path: Path
    name: str


class FileForm(NamedTuple):
    """The fields of a form, and its file. None was kept of a file that `is_too_large`."""

    fields: Form
    file: UploadedFile | None = None
    is_too_large: bool = False


@asynccontextmanager
async def read_file_form(
    request: Request, fields_bytes: int = FORM_BYTES
) -> AsyncIterator[FileForm]:
    """The fields of a form, and its file, which lives as long as the context.

    *fields_bytes*: what the fields beside the file, and the lines around them, may take.
    Raises HTTPException for requests that no form of ours sends, and for what is far too large.
    """
    if not is_file_form(request):
        raise HTTPException(HTTPStatus.UNSUPPORTED_MEDIA_TYPE)
    parser = _WholeForm(request, fields_bytes)
    data = await _parse(parser)
    folder = Path(tempfile.mkdtemp(prefix="loa-upload-"))
    try:
        found = [one for one in data.values() if isinstance(one, UploadFile) and one.filename]
        if parser.is_too_large or not found:
            yield FileForm(_fields(data), is_too_large=parser.is_too_large)
        else:
            file = await asyncio.to_thread(_save, found[-1], folder)
            yield FileForm(_fields(data), file)
    finally:
        await data.close()
        await asyncio.to_thread(shutil.rmtree, folder, ignore_errors=True)


def is_file_form(request: Request) -> bool:
    """Whether the request's form may have a file."""
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    return kind == _MEDIA_TYPE


async def read_fields(request: Request, most: int = FORM_BYTES) -> Form:
    """The fields before the file of a form, of *most* bytes; the rest is not read.

    Raises HTTPException for requests that no form of ours sends.
    """
    parser = _FieldsAlone(request, most)
    try:
        return _fields(await _parse(parser))
    finally:
        parser.close()


async def _parse(parser: MultiPartParser) -> FormData:
    try:
        async with asyncio.timeout(_TIMEOUT_S):
            return await parser.parse()
    except TimeoutError as slow:
        raise HTTPException(HTTPStatus.REQUEST_TIMEOUT) from slow
    except MultiPartException as broken:
        raise HTTPException(HTTPStatus.BAD_REQUEST) from broken


class _WholeForm(MultiPartParser):
    """A form within limits. One that ends too early is refused, and its files are closed.

    What a file has above its limit is not kept.
    """

    def __init__(self, request: Request, fields_bytes: int) -> None:
        limits = {"max_files": 1, "max_fields": _MAX_FIELDS, "max_part_size": fields_bytes}
        super().__init__(request.headers, self._pieces(request, fields_bytes), **limits)
        self._is_whole = False
        self._file_bytes = 0

    @property
    def is_too_large(self) -> bool:
        return self._file_bytes > FILE_MAX

    def on_part_data(self, data: bytes, start: int, end: int) -> None:
        if self._current_part.file is not None:
            self._file_bytes += end - start
            if self.is_too_large:
                return
        super().on_part_data(data, start, end)

    def on_end(self) -> None:
        self._is_whole = True

    async def _pieces(self, request: Request, fields_bytes: int) -> AsyncGenerator[bytes, None]:
        async for piece in _bounded(request, _DISCARDED_MAX + fields_bytes):
            yield piece
        if not self._is_whole:
            raise HTTPException(HTTPStatus.BAD_REQUEST)


class _FieldsAlone(MultiPartParser):
    """A form up to its file."""

    def __init__(self, request: Request, most: int) -> None:
        limits = {"max_files": 1, "max_fields": _MAX_FIELDS, "max_part_size": most}
        super().__init__(request.headers, self._pieces(request, most), **limits)

    async def _pieces(self, request: Request, left: int) -> AsyncGenerator[bytes, None]:
        async for piece in request.stream():
            yield piece[:left]
            left -= len(piece)
            if left <= 0 or self._files_to_close_on_error:
                return

    def close(self) -> None:
        for file in self._files_to_close_on_error:
            file.close()


async def _bounded(request: Request, left: int) -> AsyncGenerator[bytes, None]:
    """The body in pieces. Raises HTTPException for one that says or proves that it is too large."""
    told = request.headers.get("content-length", "0")
    if not told.isdecimal() or int(told) > left:
        raise HTTPException(HTTPStatus.REQUEST_ENTITY_TOO_LARGE)
    async for piece in request.stream():
        left -= len(piece)
        if left < 0:
            raise HTTPException(HTTPStatus.REQUEST_ENTITY_TOO_LARGE)
        yield piece


def _fields(data: FormData) -> Form:
    form: dict[str, list[str]] = {}
    for name, value in data.multi_items():
        if isinstance(value, str):
            form.setdefault(name, []).append(value)
    return form


def _save(file: UploadFile, folder: Path) -> UploadedFile:
    path = folder / "file"
    with path.open("xb") as target:
        shutil.copyfileobj(file.file, target)
    return UploadedFile(path, file.filename or "")
