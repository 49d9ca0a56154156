"""The public list of the ministry's channels, read from a TOML file."""

import re
import tomllib
from collections.abc import Iterable, Iterator
from datetime import date
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, StringConstraints, ValidationError

from contracts.base.fields import AS_LINE, Contract, Line150, Line250, TopicId
from contracts.errors import FieldError, Invalid, Unreadable, explain, field_error, join_path

_UNIFIED_KINDS = ("portal", "vneid")
"""Kinds of channels that carry everything; the other kinds add to them."""
_ChannelUrl = Annotated[
    str,
    StringConstraints(pattern=r"^(https?://[^\s\"<>/]+[^\s\"<>]*|/[^\s\"<>]*)?$", max_length=500),
    AS_LINE,
]
"""Short enough for a QR code that telephones read."""
_Phone = Annotated[str, StringConstraints(pattern=r"^(\+?[0-9]+([ .-][0-9]+)*)?$", max_length=30)]
_FILE_VARIABLE = "LOA_PORTAL_CHANNELS_FILE"


class PublicChannel(Contract):
    """One channel of the ministry, as the public list shows it."""

    name: Line150
    kind: Literal["portal", "vneid", "social", "app", "hotline", "mail", "feed", "other"]
    url: _ChannelUrl = ""
    """An address, a path on the portal, or empty."""
    phone: _Phone = ""
    """As people write phone numbers: `1900 0000`, `024 3456 7890`, `+84 24 3456 7890`."""
    about: Line250
    keeper: Annotated[str, StringConstraints(max_length=150)] = ""
    """The unit responsible for the channel."""
    national: bool = False
    """A system that the ministry shares with others."""
    shown: bool = True

    @property
    def group(self) -> Literal["unified", "others", "national"]:
        """The part of the public list, as its headings in the texts."""
        if self.national:
            return "national"
        return "unified" if self.kind in _UNIFIED_KINDS else "others"


class _RawList(Contract):
    updated: date | None = None
    channels: dict[TopicId, dict[str, Any]] = Field(default_factory=dict)


class _ChannelList(Contract):
    channels: dict[TopicId, PublicChannel]


def load_channels(own_toml: str = "") -> tuple[PublicChannel, ...]:
    """Load the shipped list, overridden field by field by an operator's *own_toml*.

    Raises Unreadable or Invalid, naming the setting, the entry and the key.
    """
    try:
        entries = dict(_parse(_SHIPPED_TOML).channels)
        for name, fields in _parse(own_toml).channels.items():
            entries[name] = entries.get(name, {}) | fields
        channels = _ChannelList.model_validate({"channels": entries}).channels.values()
    except tomllib.TOMLDecodeError as error:
        raise Unreadable(field_error(_FILE_VARIABLE, "not_toml", detail=error)) from error
    except ValidationError as error:
        raise Invalid(*explain(error, _FILE_VARIABLE)) from error
    return tuple(channel for channel in channels if channel.shown)


def list_updated(own_toml: str = "") -> date | None:
    """The day on which the list was last changed, as *own_toml* or else the shipped list says.

    An operator's list without a day has none. Raises as `load_channels`.
    """
    return _parse(own_toml or _SHIPPED_TOML).updated


def tel_uri(phone: str) -> str:
    """The `tel:` URI of a phone number (RFC 3966)."""
    return "tel:" + re.sub("[^0-9+]", "", phone)


def _parse(text: str) -> _RawList:
    document = tomllib.loads(text)
    parsed = _RawList.model_validate(document)
    unknown = [*_unknown_keys("", document, _RawList)]
    for name, fields in parsed.channels.items():
        unknown += _unknown_keys(f"channels.{name}", fields, PublicChannel)
    if unknown:
        raise Invalid(*unknown)
    return parsed


def _unknown_keys(where: str, fields: Iterable[str], kind: type[Contract]) -> Iterator[FieldError]:
    """Errors for unknown keys, so that a mistyped key is not ignored silently."""
    known = tuple(kind.model_fields)
    for key in (key for key in fields if key not in kind.model_fields):
        yield field_error(join_path(_FILE_VARIABLE, where, key), "unknown_key", known=known)


_SHIPPED_TOML = (Path(__file__).parent / "channels.toml").read_text("utf-8")
DEFAULT_CHANNELS = load_channels()
DEFAULT_UPDATED = list_updated()
