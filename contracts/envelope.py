"""Encoding and decoding of CloudEvents: structured, binary (HTTP and NATS) and batch.

Loa stores structured JSON. Header names are case-insensitive, and an attribute in a header is
percent-decoded once. One event is at most 256 KiB.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any, TypeVar
from urllib.parse import quote, unquote_to_bytes

from contracts.base import strict_json
from contracts.cloudevent import CONTEXT_ATTRIBUTES, CloudEvent, build_event
from contracts.errors import (
    WHOLE_EVENT,
    Bilingual,
    ContractError,
    Invalid,
    TooLarge,
    Unreadable,
    UnsupportedMedia,
    field_error,
)

CONTENT_TYPE = "application/cloudevents+json"
BATCH_TYPE = "application/cloudevents-batch+json"
JSON_TYPE = "application/json"
MAX_EVENT_BYTES = 256 * 1024
MAX_BATCH_EVENTS = 100
_STRUCTURED_OVERHEAD = 64
"""Bytes that `data` and its type add when a binary event is written in structured form."""

_ESCAPED = 2
"""An entry written with escapes or indents may be so much longer than as it is stored."""
_MANY = Bilingual(f"more than {MAX_BATCH_EVENTS}", f"hơn {MAX_BATCH_EVENTS}")
_MAX_BATCH_BYTES = MAX_BATCH_EVENTS * MAX_EVENT_BYTES

Entry = TypeVar("Entry")
Result = TypeVar("Result")

_VISIBLE_ASCII = "!#$&'()*+,-./:;<=>?@[]^_`{|}~\\"
_BAD_ESCAPE = re.compile("%(?![0-9A-Fa-f]{2})")
_QUOTED = re.compile(r'"((?:[^"\\]|\\.)*)"', re.DOTALL)


class Mode(StrEnum):
    STRUCTURED = "structured"
    BINARY = "binary"
    BATCH = "batch"


def decode(content_type: str | None, headers: Mapping[str, str] | None, body: bytes) -> CloudEvent:
    """Decode one event in structured or binary mode. Raises ContractError, also for a batch.

    An event that was accepted and stored with `to_structured` always fits the size limit.
    """
    match mode(content_type, headers):
        case Mode.BATCH:
            raise UnsupportedMedia(field_error("Content-Type", "batch_not_here"))
        case Mode.STRUCTURED:
            return from_structured(body)
        case Mode.BINARY:
            given = {"content-type": content_type} if content_type else {}
            return from_binary(_event_headers(headers) | given, body)


def mode(content_type: str | None, headers: Mapping[str, str] | None = None) -> Mode:
    """The mode of a message. Raises UnsupportedMedia if it is not marked as an event."""
    lowered = _event_headers(headers)
    media = _media_type(content_type or lowered.get("content-type") or "", "Content-Type")
    if media == BATCH_TYPE:
        return Mode.BATCH
    if media in (CONTENT_TYPE, "application/cloudevents"):
        return Mode.STRUCTURED
    if media.startswith("application/cloudevents"):
        raise _unsupported(media, f"{CONTENT_TYPE}, {BATCH_TYPE}")
    if any(name.startswith("ce-") for name in lowered):
        return Mode.BINARY
    if not media:
        return Mode.STRUCTURED
    raise _unsupported(media, f"{CONTENT_TYPE}, {BATCH_TYPE}, {JSON_TYPE} + ce-*")


def from_structured(body: bytes | dict[str, Any], *, limit: int = MAX_EVENT_BYTES) -> CloudEvent:
    """An event whose attributes and data are one JSON object of at most *limit* bytes."""
    raw = body if isinstance(body, bytes) else strict_json.dumps(body)
    check_size(len(raw), limit)
    return _from_object(strict_json.loads(raw))


def from_binary(headers: Mapping[str, str], body: bytes) -> CloudEvent:
    """An event whose attributes are `ce-*` headers; the body is its data.

    The data's type is `ce-datacontenttype` (NATS) or else `Content-Type` (HTTP).
    """
    lowered = _event_headers(headers)
    attributes: dict[str, Any] = {
        header[3:]: _attribute_text(header, value)
        for header, value in lowered.items()
        if header.startswith("ce-")
    }
    check_size(len(body) + len(strict_json.dumps(attributes)) + _STRUCTURED_OVERHEAD)
    media = attributes.setdefault("datacontenttype", lowered.get("content-type"))
    _check_json_type(media)
    data = {"data": strict_json.loads(body, "data")} if body.strip() else {}
    return build_event(attributes, data)


def header_of(field: str, headers: Mapping[str, str]) -> str:
    """The header of a binary event that *field* was read from; *field* itself if there is none."""
    written = {name.lower() for name in headers}
    header = f"ce-{field}"
    if field == "datacontenttype" and header not in written:
        return "Content-Type"
    is_attribute = field in CONTEXT_ATTRIBUTES or header.lower() in written
    return header if is_attribute else field


def from_batch(body: bytes) -> list[CloudEvent]:
    """All events of a JSON array, or none: errors of all of them, as `[3].data.title`."""
    return read_each(list(batch_entries(body)), from_batch_entry)


def batch_entries(body: bytes) -> Iterator[Any]:
    """Yield the entries of a batch, unread. A large one is parsed entry by entry.

    Raises Unreadable, Invalid for an empty batch, TooLarge for one with too many entries.
    """
    check_size(len(body), _MAX_BATCH_BYTES)
    count = 0
    for count, entry in enumerate(_raw_entries(body), start=1):
        if count > MAX_BATCH_EVENTS:
            counts = {"count": _MANY, "limit": MAX_BATCH_EVENTS}
            raise TooLarge(field_error(WHOLE_EVENT, "batch_too_long", **counts))
        yield entry
    check_count(count)


def from_batch_entry(entry: Any) -> CloudEvent:
    """One event of a batch. Raises ContractError."""
    if not isinstance(entry, dict):
        raise Unreadable(field_error(WHOLE_EVENT, "not_object"))
    return from_structured(strict_json.dumps(entry))


def _raw_entries(body: bytes) -> Iterable[Any]:
    if len(body) > MAX_EVENT_BYTES:
        return strict_json.iter_array(body, _ESCAPED * MAX_EVENT_BYTES)
    entries = strict_json.loads(body)
    if not isinstance(entries, list):
        raise Unreadable(field_error(WHOLE_EVENT, "not_array"))
    check_count(len(entries))
    return entries


def check_count(count: int) -> None:
    """Raise Invalid for an empty batch, TooLarge for one with too many events."""
    if not count:
        raise Invalid(field_error(WHOLE_EVENT, "empty_batch"))
    if count > MAX_BATCH_EVENTS:
        counts = {"count": count, "limit": MAX_BATCH_EVENTS}
        raise TooLarge(field_error(WHOLE_EVENT, "batch_too_long", **counts))


def read_each(entries: list[Entry], read: Callable[[Entry], Result]) -> list[Result]:
    """Read every entry of a batch, or raise one error that names the faults of all of them."""
    results: list[Result] = []
    failures: list[ContractError] = []
    for number, entry in enumerate(entries):
        try:
            results.append(read(entry))
        except ContractError as error:
            failures.append(error.within(f"[{number}]"))
    if failures:
        raise type(failures[0])(*(fault for error in failures for fault in error.errors))
    return results


def to_structured(event: CloudEvent) -> bytes:
    """The event as one JSON object; the same event always gives the same bytes."""
    return strict_json.dumps({**_attributes_as_json(event), "data": event.data})


def to_binary(event: CloudEvent) -> tuple[dict[str, str], bytes]:
    """The event as NATS headers and a body; HTTP sends `ce-datacontenttype` as `Content-Type`."""
    attributes = {"datacontenttype": JSON_TYPE, **_attributes_as_json(event)}
    headers = {f"ce-{name}": _header(value) for name, value in attributes.items()}
    return headers, strict_json.dumps(event.data)


def _from_object(value: Any) -> CloudEvent:
    if not isinstance(value, dict):
        raise Unreadable(field_error(WHOLE_EVENT, "not_object"))
    attributes = dict(value)
    if attributes.pop("data_base64", None) is not None:
        raise Invalid(field_error("data_base64", "data_base64"))
    _check_json_type(attributes.get("datacontenttype"))
    data = {"data": attributes.pop("data")} if attributes.get("data") is not None else {}
    attributes.pop("data", None)
    return build_event(attributes, data)


def _attributes_as_json(event: CloudEvent) -> dict[str, Any]:
    """All attributes as JSON values, in a fixed order."""
    context = event.model_dump(include=set(CONTEXT_ATTRIBUTES), exclude_none=True)
    if event.time:
        context["time"] = _rfc3339(event.time)
    return {**context, **event.extensions}


def _rfc3339(moment: datetime) -> str:
    """The shortest RFC 3339 form, never longer than the one received."""
    whole, _, fraction = moment.astimezone(UTC).replace(tzinfo=None).isoformat().partition(".")
    return f"{whole}.{fraction.rstrip('0')}Z" if fraction else f"{whole}Z"


def _attribute_text(header: str, value: str) -> str:
    """The value of a `ce-*` header: quotes taken off, percent-decoded once."""
    if not value.isascii():
        raise Unreadable(field_error(header, "header_encoding"))
    if quoted := _QUOTED.fullmatch(value):
        value = re.sub(r"\\(.)", r"\1", quoted[1])
    if _BAD_ESCAPE.search(value):
        raise Unreadable(field_error(header, "percent_encoding"))
    try:
        return unquote_to_bytes(value).decode()
    except UnicodeDecodeError as error:
        raise Unreadable(field_error(header, "not_utf8", position=error.start + 1)) from error


def _header(value: object) -> str:
    text = str(value).lower() if isinstance(value, bool) else str(value)
    return quote(text, safe=_VISIBLE_ASCII)


def _event_headers(headers: Mapping[str, str] | None) -> dict[str, str]:
    """Headers of the event, by lower-case name. Raises Unreadable for one with two values."""
    lowered: dict[str, str] = {}
    for name, value in (headers or {}).items():
        key = name.strip().lower()
        if key.startswith(("ce-", "content-")) and lowered.setdefault(key, value) != value:
            raise Unreadable(field_error(key, "header_repeated"))
    return lowered


def _check_json_type(media_type: object) -> None:
    """Raise UnsupportedMedia for data with a content type other than JSON."""
    if not isinstance(media_type, str):
        return
    media = _media_type(media_type, "datacontenttype")
    if media and media != JSON_TYPE and not media.endswith("+json"):
        raise UnsupportedMedia(
            field_error("datacontenttype", "content_type", value=media, accepted=JSON_TYPE)
        )


def _media_type(content_type: str, field: str) -> str:
    """The media type without its parameters. Raises UnsupportedMedia for a charset but UTF-8."""
    media, *parameters = content_type.lower().split(";")
    for parameter in parameters:
        name, _, value = parameter.partition("=")
        if name.strip() == "charset" and value.strip(' "') not in ("utf-8", "utf8", "us-ascii"):
            raise UnsupportedMedia(field_error(field, "charset", value=value.strip(' "')))
    return media.strip()


def _unsupported(media: str, accepted: str) -> UnsupportedMedia:
    return UnsupportedMedia(
        field_error("Content-Type", "content_type", value=media, accepted=accepted)
    )


def check_size(size: int, limit: int = MAX_EVENT_BYTES) -> None:
    """Raise TooLarge above *limit*."""
    if size > limit:
        raise TooLarge(field_error(WHOLE_EVENT, "event_too_large", size=size, limit=limit))
