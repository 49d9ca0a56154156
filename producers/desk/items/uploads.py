"""Upload of a file: the form, the answer to a page or a script, and the file for previews."""

import asyncio
from http import HTTPStatus
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse, Response, StreamingResponse

from contracts.desk.roles import READ_DRAFTS
from contracts.desk.uploads import (
    FILE_MAX_MB,
    FOLDER,
    UploadService,
    file_headers,
    parse_address,
)
from contracts.errors import ContractError, RateLimited, field_error
from producers.desk import rendering
from producers.desk.visit import Visit, retry_headers, wants_json

WRITE, READ = "write", ("write", READ_DRAFTS)
_FIELD = "tep"
_MB = 1 << 20
_LEAST_MB = 0.25
"""The size as which the smallest file counts: its check has a cost, too."""
_CACHED = "private, max-age=3600"


def _service(visit: Visit) -> UploadService:
    return visit.desk.services.uploads


async def show_form(visit: Visit) -> Response:
    """The form, for browsers without scripts: in a page of its own, beside the text."""
    return visit.page("upload.html", max_mb=FILE_MAX_MB)


async def add(visit: Visit) -> Response:
    """Keep the file; say its address, as a page or as JSON."""
    if visit.file is None:
        return _without_file(visit)
    try:
        file = visit.file
        await _count(visit, file.path)
        upload = await _service(visit).add(visit.visitor, file.path, file.name)
    except ContractError as refused:
        wrong = rendering.errors_by_field(refused)
        answer = _refused(visit, wrong, rendering.refusal_status(refused))
        answer.headers.update(retry_headers(refused))
        return answer
    facts = upload.facts(visit.desk.services.public_url)._asdict()
    if wants_json(visit.request):
        return JSONResponse(facts, HTTPStatus.CREATED)
    shown = {"file": facts, "size": _size_text(upload.size), "max_mb": FILE_MAX_MB}
    return visit.page("uploaded.html", HTTPStatus.CREATED, **shown)


async def _count(visit: Visit, file: Path) -> None:
    """Count the file as uploaded by its account. Raises RateLimited."""
    size = (await asyncio.to_thread(file.stat)).st_size
    wait_s = visit.desk.uploads.take(visit.visitor.account.id, max(size / _MB, _LEAST_MB))
    if wait_s:
        raise RateLimited(field_error(_FIELD, "too_many_uploads"), retry_after_s=wait_s)


def _without_file(visit: Visit) -> Response:
    said = rendering.desk_texts()["upload"]
    if visit.is_file_too_large:
        wrong = said["too_large"].format(FILE_MAX_MB)
        return _refused(visit, {_FIELD: wrong}, HTTPStatus.REQUEST_ENTITY_TOO_LARGE)
    return _refused(visit, {_FIELD: said["missing"]}, HTTPStatus.UNPROCESSABLE_ENTITY)


def _size_text(size: int) -> str:
    if size < _MB:
        return f"{max(size >> 10, 1)} KB"
    return f"{size / _MB:.1f} MB".replace(".", ",")


def _refused(visit: Visit, wrong: dict[str, str], status: int) -> Response:
    if wants_json(visit.request):
        return JSONResponse({"error": " ".join(wrong.values())}, status)
    return visit.page("upload.html", status, wrong=wrong, max_mb=FILE_MAX_MB)


async def with_file_facts(visit: Visit, data: dict[str, Any]) -> dict[str, Any]:
    """*data* with type and size of the attachments that were uploaded here."""
    rows = data.get("attachments", ())
    known = [{**row, **await _facts_of(visit, str(row.get("url", "")))} for row in rows]
    return {**data, "attachments": known} if known else data


async def _facts_of(visit: Visit, url: str) -> dict[str, Any]:
    """Type and size of an upload by its address; nothing of any other file."""
    head = f"{visit.desk.services.public_url}/{FOLDER}/"
    hash, _, name = unquote(url.removeprefix(head)).partition("/")
    address = parse_address(hash, name) if url.startswith(head) else None
    size = await _service(visit).size(address) if address else None
    return {"media_type": address.media_type, "size": size} if address and size else {}


async def serve(visit: Visit) -> Response:
    """A file as the portal would serve it."""
    given = visit.request.path_params
    address = parse_address(given["hash"], given["name"])
    size = await _service(visit).size(address) if address else None
    if address is None or size is None:
        raise HTTPException(HTTPStatus.NOT_FOUND)
    headers = {"Content-Length": str(size), "Cache-Control": _CACHED}
    pieces = _service(visit).read(address)
    headers |= file_headers(address.ending)
    return StreamingResponse(pieces, media_type=address.media_type, headers=headers)
