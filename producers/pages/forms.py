"""What a browser sends: small urlencoded forms, read to their end and no further."""

import asyncio
import re
from collections.abc import Mapping
from datetime import date, datetime, time
from http import HTTPStatus
from urllib.parse import parse_qs

from starlette.exceptions import HTTPException
from starlette.requests import Request

from contracts.base.times import VIETNAM
from contracts.subscriptions.signup import SignupApplication

BODY_BYTES = 64 << 10
MAX_FIELDS = 200
READ_TIMEOUT_S = 15.0
FORM_MEDIA_TYPE = "application/x-www-form-urlencoded"
MAX_YEARS_AHEAD = 2
_ISO = re.compile(r"(\d{4})-(\d{1,2})-(\d{1,2})")
_WRITTEN = re.compile(r"(\d{1,2})[/.-](\d{1,2})[/.-](\d{4})")

Form = Mapping[str, list[str]]


async def read_form(request: Request) -> Form:
    """The fields of a form. Raises HTTPException for what no form of ours sends."""
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != FORM_MEDIA_TYPE:
        raise HTTPException(HTTPStatus.UNSUPPORTED_MEDIA_TYPE)
    body = await read_body(request)
    try:
        return parse_qs(body.decode(), max_num_fields=MAX_FIELDS, errors="strict")
    except ValueError as broken:
        raise HTTPException(HTTPStatus.BAD_REQUEST) from broken


async def read_body(request: Request) -> bytes:
    """The body. Raises HTTPException when it is too long, or too slow."""
    body = bytearray()
    try:
        async with asyncio.timeout(READ_TIMEOUT_S):
            async for chunk in request.stream():
                body += chunk
                if len(body) > BODY_BYTES:
                    raise HTTPException(HTTPStatus.REQUEST_ENTITY_TOO_LARGE)
    except TimeoutError as slow:
        raise HTTPException(HTTPStatus.REQUEST_TIMEOUT) from slow
    return bytes(body)


def single_value(form: Form, name: str) -> str:
    """A field's only value; empty for none."""
    return form.get(name, [""])[-1]


def parse_application(form: Form, ip: str = "") -> SignupApplication:
    """What is asked for, as it was written."""
    return SignupApplication(
        email=single_value(form, "email").strip(),
        name=single_value(form, "name"),
        topics=tuple(form.get("topics", ())),
        audiences=tuple(form.get("audiences", ())),
        units=tuple(form.get("units", ())),
        frequency=single_value(form, "frequency"),
        version=single_value(form, "consent"),
        ip=ip,
    )


def parse_future_day(written: str, today: date) -> datetime | None:
    """The beginning of a day to come, in Vietnam; None for anything else."""
    iso, vietnamese = _ISO.fullmatch(written.strip()), _WRITTEN.fullmatch(written.strip())
    parts = [*iso.groups()] if iso else [*vietnamese.groups()][::-1] if vietnamese else []
    try:
        found = date(*map(int, parts)) if parts else None
    except ValueError:
        return None
    if found is None or not today < found or found.year > today.year + MAX_YEARS_AHEAD:
        return None
    return datetime.combine(found, time(), VIETNAM)
