"""One CloudEvent 1.0 with its attributes; `envelope` encodes and decodes it."""

import re
from collections.abc import Iterable, Iterator
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field, ValidationError
from pydantic_core import PydanticCustomError

from contracts import text
from contracts.base.fields import Contract, Instant
from contracts.errors import FieldError, Invalid, explain, field_error, nearest

_ATTRIBUTE_MAX = 256
_URI_MAX = 512
_EXTENSION_NAME_MAX = 64
_EXTENSION_VALUE_MAX = 1024
_EXTENSIONS_MAX = 32

_HIDDEN = re.compile(rf"[{text.CONTROL}{text.BREAK}{text.BIDI}\ud800-\udfff]")
_URI_REFERENCE = re.compile(r"(?:[A-Za-z0-9\-._~:/?#\[\]@!$&'()*+,;=]|%[0-9A-Fa-f]{2})+")
_NAME = re.compile("[a-z0-9]+")


def _attribute(value: Any) -> Any:
    if isinstance(value, str) and not _is_visible(value, _ATTRIBUTE_MAX):
        raise PydanticCustomError("attribute_text", "not visible", {"limit": _ATTRIBUTE_MAX})
    return value


def _uri_reference(value: Any) -> Any:
    if isinstance(value, str) and not (len(value) <= _URI_MAX and _URI_REFERENCE.fullmatch(value)):
        raise PydanticCustomError("uri_reference", "not a URI reference", {"limit": _URI_MAX})
    return value


def _extension_name(value: str) -> str:
    if not _NAME.fullmatch(value) or len(value) > _EXTENSION_NAME_MAX or value == "data":
        limit = {"limit": _EXTENSION_NAME_MAX}
        raise PydanticCustomError("extension_name", "not an attribute name", limit)
    return value


def _extension_value(value: Any) -> str | int | bool:
    if isinstance(value, str) and _is_visible(value, _EXTENSION_VALUE_MAX):
        return value
    if isinstance(value, int) and -(2**31) <= value < 2**31:
        return value
    raise PydanticCustomError("extension_value", "not an attribute value")


def _limit_extensions(extensions: dict[str, Any]) -> dict[str, Any]:
    if len(extensions) > _EXTENSIONS_MAX:
        counts = {"count": len(extensions), "limit": _EXTENSIONS_MAX}
        raise PydanticCustomError("too_many_extensions", "{count} extensions", counts)
    return extensions


def _is_visible(value: str, longest: int) -> bool:
    return 0 < len(value) <= longest and not _HIDDEN.search(value)


Attribute = Annotated[
    str,
    BeforeValidator(_attribute),
    Field(json_schema_extra={"minLength": 1, "maxLength": _ATTRIBUTE_MAX}),
]
UriReference = Annotated[
    str,
    BeforeValidator(_uri_reference),
    Field(json_schema_extra={"format": "uri-reference", "minLength": 1, "maxLength": _URI_MAX}),
]
ExtensionName = Annotated[str, AfterValidator(_extension_name)]
ExtensionValue = Annotated[str | int | bool, BeforeValidator(_extension_value)]
Extensions = Annotated[dict[ExtensionName, ExtensionValue], AfterValidator(_limit_extensions)]


class CloudEvent(Contract):
    """One event. `extensions` holds the attributes that CloudEvents does not define."""

    specversion: Literal["1.0"]
    """The version of CloudEvents."""
    id: Attribute
    """Your own name of the event; with `source` it makes a repeat harmless."""
    source: UriReference
    """`/units/` and the id of your unit, or a URI reference of yours that names no unit."""
    type: Attribute
    """Type of the event; the types are in `GET /v1/vocabulary`."""
    subject: Attribute | None = None
    """The item; if given, it equals `content_id`."""
    time: Instant | None = None
    """When it happened, by your clock."""
    datacontenttype: Attribute | None = None
    """The type of `data`, if given: application/json."""
    dataschema: UriReference | None = None
    """The schema of `data`, if you name one; Loa does not read it."""
    data: dict[str, Any]
    extensions: Extensions = Field(default_factory=dict)


CONTEXT_ATTRIBUTES = tuple(
    name for name in CloudEvent.model_fields if name not in ("data", "extensions")
)
"""The attributes defined by CloudEvents; all others are extensions."""


def build_event(attributes: dict[str, Any], data: dict[str, Any]) -> CloudEvent:
    """An event from its attributes (known and not) and `data` (`{}` or `{"data": ...}`).

    Raises Invalid, naming each attribute that is missing or wrong.
    """
    given = {name: value for name, value in attributes.items() if value is not None}
    context = {name: given.pop(name) for name in CONTEXT_ATTRIBUTES if name in given}
    try:
        return CloudEvent.model_validate({**context, **data, "extensions": given})
    except ValidationError as error:
        raise Invalid(*_attribute_errors(error, given)) from error


def _attribute_errors(error: ValidationError, extensions: Iterable[str]) -> Iterator[FieldError]:
    """The errors of attributes; one that is missing, and may have been misspelt, is named there."""
    missing = {str(one["loc"][0]) for one in error.errors() if one["type"] == "missing"}
    nearest_of = {name: nearest(name, tuple(missing)) for name in extensions}
    meant = {name: near for name, near in nearest_of.items() if near.en}
    for fault in explain(error):
        name = fault.field.removeprefix("extensions.")
        if name not in meant:
            yield fault.model_copy(update={"field": name})
    for name, near in meant.items():
        yield field_error(name, "unknown_attribute", near=near)
