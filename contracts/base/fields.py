"""The base model of every contract, and the types its fields are made of.

JSON is read strictly: no number for a text, no `true` for a number, no number for a time.
"""

import re
from datetime import UTC, date, datetime
from typing import Annotated, Any
from urllib.parse import urlsplit

from pydantic import (
    AfterValidator,
    AwareDatetime,
    BeforeValidator,
    ConfigDict,
    Field,
    StringConstraints,
    ValidationInfo,
)
from pydantic_core import PydanticCustomError

from contracts import text
from contracts.text.descriptions import Described

ID_PATTERN = r"^[a-z0-9](?:[a-z0-9-]{0,62}[a-z0-9])?$"
_URL_MAX = 2048
_URL_PATTERN = r"^[Hh][Tt][Tt][Pp][Ss]?://[!-.0-?A-\[\]-~]+(?:/[!-~]*)?$"
REVISION_MAX = 2**31 - 1

_ID = re.compile(ID_PATTERN.strip("^$"))
_RFC3339 = re.compile(
    r"\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d(\.\d{1,9})?([Zz]|[+-]\d\d:\d\d)", re.ASCII
)
_DAY = re.compile(r"\d{4}-\d\d-\d\d", re.ASCII)
_URL = re.compile(r"https?://[!-~]+", re.IGNORECASE)
_URL_FORBIDDEN = re.compile(r'[<>"{}|\\^`]|%(?![0-9A-Fa-f]{2})')
_HOST = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?\.?|[0-9a-f:.]+")


class Contract(Described):
    """Frozen; unknown fields are ignored inside and refused by name at the doors."""

    model_config = ConfigDict(
        frozen=True,
        extra="ignore",
        defer_build=True,
        hide_input_in_errors=True,  # no personal data in tracebacks
    )


def _text_only(value: Any) -> str:
    if not isinstance(value, str):
        raise PydanticCustomError("string_type", "not a text")
    return value


def _as_text(value: Any) -> str:
    return text.paragraphs(_text_only(value))


def _as_id(value: Any) -> str:
    name = _text_only(value)
    if not _ID.fullmatch(name):
        shown = name.encode(errors="backslashreplace").decode()
        raise PydanticCustomError("not_slug", "{value} is not an id", {"value": shown})
    return name


def _as_url(value: Any) -> str:
    url = _text_only(value)
    if len(url) <= _URL_MAX and not _is_web_address(url):
        raise PydanticCustomError("url", "not a web address")
    return url


def _is_web_address(url: str) -> bool:
    """http or https with a host, without user names, spaces or characters a URL must encode."""
    if not _URL.fullmatch(url) or _URL_FORBIDDEN.search(url):
        return False
    try:
        parts = urlsplit(url)
        host, _port = parts.hostname or "", parts.port
    except ValueError:
        return False
    return "@" not in parts.netloc and bool(_HOST.fullmatch(host))


def _as_written_time(value: Any) -> Any:
    if isinstance(value, datetime):
        return value
    if not _RFC3339.fullmatch(_text_only(value)):
        raise PydanticCustomError("instant", "not an RFC 3339 time")
    return value


def _as_written_day(value: Any, info: ValidationInfo) -> Any:
    """A day as written; a number, which pydantic takes for seconds, only where it was stored so."""
    is_new = isinstance(info.context, dict) and info.context.get("is_new")
    if is_new and isinstance(value, int | float):
        raise PydanticCustomError("date_type", "not a day")
    if isinstance(value, str) and not _DAY.fullmatch(value):
        raise PydanticCustomError("day", "not a day")
    return value


def _in_utc(value: datetime) -> datetime:
    if not 1970 < value.year <= 2200:
        raise PydanticCustomError("instant_range", "outside 1971 to 2200")
    return value.astimezone(UTC)


def _without_duplicates(values: tuple[Any, ...]) -> tuple[Any, ...]:
    seen: set[Any] = set()
    for value in values:
        if value in seen:
            raise PydanticCustomError("repeated", "{value} twice", {"value": str(value)})
        seen.add(value)
    return values


def _not_empty(values: tuple[Any, ...]) -> tuple[Any, ...]:
    if not values:
        raise PydanticCustomError("too_short", "none", {"min_length": 1})
    return values


Id = Annotated[
    str, BeforeValidator(_as_id), Field(json_schema_extra={"pattern": ID_PATTERN, "maxLength": 64})
]
"""A subject token, a KV key and a part of a URL at once; the vocabulary knows which exist."""

ContentId = Id
UnitId = Id
TopicId = Id
AudienceId = Id

Revision = Annotated[int, Field(strict=True, ge=1, le=REVISION_MAX)]
Count = Annotated[int, Field(strict=True, ge=0, le=2**53 - 1)]
Flag = Annotated[bool, Field(strict=True)]

Instant = Annotated[AwareDatetime, AfterValidator(_in_utc), BeforeValidator(_as_written_time)]
"""A time, written as RFC 3339 with its offset; kept in UTC."""

Day = Annotated[date, BeforeValidator(_as_written_day)]
"""A day by Vietnam's calendar, written as `2026-11-30`."""

AS_LINE = BeforeValidator(lambda value: text.line(_text_only(value)))
AS_TEXT = BeforeValidator(_as_text)
_LINE_PATTERN = Field(json_schema_extra={"pattern": f"^[^{text.REFUSED}{text.BREAK}]*$"})
TEXT_PATTERN = Field(json_schema_extra={"pattern": f"^[^{text.REFUSED}]*$"})

# The bounds are innermost, so they count the characters of the stored text.
Line150 = Annotated[str, StringConstraints(min_length=1, max_length=150), AS_LINE, _LINE_PATTERN]
Line300 = Annotated[str, StringConstraints(min_length=1, max_length=300), AS_LINE, _LINE_PATTERN]
Line250 = Annotated[str, StringConstraints(min_length=1, max_length=250), AS_LINE, _LINE_PATTERN]
Line = Annotated[str, StringConstraints(min_length=1, max_length=500), AS_LINE, _LINE_PATTERN]
"""One line: NFC, squeezed, no control or bidi characters, no line break."""

OptionalLine = Annotated[str, StringConstraints(max_length=500), AS_LINE, _LINE_PATTERN]
"""A `Line` that may be empty."""

Summary = Annotated[str, StringConstraints(max_length=500), AS_TEXT, TEXT_PATTERN]
Text = Annotated[str, StringConstraints(min_length=1, max_length=100_000), AS_TEXT, TEXT_PATTERN]
"""Several lines, otherwise as `Line`."""

HttpUrl = Annotated[
    str,
    StringConstraints(max_length=_URL_MAX),
    BeforeValidator(_as_url),
    Field(json_schema_extra={"format": "uri", "pattern": _URL_PATTERN}),
]
"""A web address as text: http or https, ASCII, at most 2048 characters, no user name in it."""

NO_DUPLICATES = AfterValidator(_without_duplicates)
UNIQUE_ITEMS = Field(json_schema_extra={"uniqueItems": True})
NON_EMPTY = AfterValidator(_not_empty)
"""At least one; judged after the entries, so that a wrong entry is not called missing as well."""
NON_EMPTY_UNIQUE_ITEMS = Field(json_schema_extra={"minItems": 1, "uniqueItems": True})
NULL_AS_EMPTY = BeforeValidator(lambda value: () if value is None else value)
ARRAY_OR_NULL = Field(json_schema_extra={"type": ["array", "null"]})
