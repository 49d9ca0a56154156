"""Read urlencoded forms within limits of size and time."""

import asyncio
import re
from collections.abc import Mapping
from datetime import MAXYEAR, MINYEAR, date, datetime, time
from http import HTTPStatus
from urllib.parse import parse_qs

from starlette.exceptions import HTTPException
from starlette.requests import Request

from contracts.subscriptions.signup import SignupApplication
from contracts.text.moments import VIETNAM

FORM_BYTES = 64 << 10
_MAX_FIELDS = 200
READ_TIMEOUT_S = 15.0
_FORM_MEDIA_TYPE = "application/x-www-form-urlencoded"
_MAX_YEARS_AHEAD = 2
_MAX_DIGITS = 18
"""Of a number that fits into 64 bits."""
_ISO = re.compile(r"(\d{4})-(\d{1,2})-(\d{1,2})")
_WRITTEN = re.compile(r"(\d{1,2})[/.-](\d{1,2})[/.-](\d{4})")

Form = Mapping[str, list[str]]


async def read_form(request: Request, most: int = FORM_BYTES) -> Form:
    """Parse the fields of a form. Raises HTTPException for requests that no form of ours sends."""
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != _FORM_MEDIA_TYPE:
        raise HTTPException(HTTPStatus.UNSUPPORTED_MEDIA_TYPE)
    body = await read_body(request, most)
    try:
        return parse_qs(body.decode(), max_num_fields=_MAX_FIELDS, errors="strict")
    except ValueError as broken:
        raise HTTPException(HTTPStatus.BAD_REQUEST) from broken


async def read_body(request: Request, most: int = FORM_BYTES) -> bytes:
    """Read the body of *most* bytes. Raises HTTPException for a large or slow one."""
    body = bytearray()
    try:
        async with asyncio.timeout(READ_TIMEOUT_S):
            async for chunk in request.stream():
                body += chunk
                if len(body) > most:
                    raise HTTPException(HTTPStatus.REQUEST_ENTITY_TOO_LARGE)
    except TimeoutError as slow:
        raise HTTPException(HTTPStatus.REQUEST_TIMEOUT) from slow
    return bytes(body)


def single_value(form: Form, name: str) -> str:
    """The last value of a field; empty for none."""
    return form.get(name, [""])[-1]


def parse_number(written: str) -> int | None:
    """A number of an address; None for anything else."""
    return int(written) if written.isdecimal() and len(written) <= _MAX_DIGITS else None


def parse_application(form: Form, ip: str = "") -> SignupApplication:
    """The application in a form, as entered."""
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


def parse_day(written: str) -> datetime | None:
    """The start of a day in Vietnam, as a date field sends it; None for other input."""
    try:
        day = datetime.fromisoformat(written).date()
    except ValueError:
        return None
    is_near = MINYEAR < day.year < MAXYEAR  # a day more or less is a day, too
    return datetime.combine(day, time(), VIETNAM) if is_near else None


def parse_future_day(written: str, today: date) -> datetime | None:
    """The start of a future day in Vietnam; None for other input."""
    iso, vietnamese = _ISO.fullmatch(written.strip()), _WRITTEN.fullmatch(written.strip())
    parts = [*iso.groups()] if iso else [*vietnamese.groups()][::-1] if vietnamese else []
    try:
        day = date(*map(int, parts)) if parts else None
    except ValueError:
        return None
    if day is None or not today < day or day.year > today.year + _MAX_YEARS_AHEAD:
        return None
    return datetime.combine(day, time(), VIETNAM)
