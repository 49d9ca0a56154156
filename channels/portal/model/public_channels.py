"""The list of the ministry's channels that the public is shown, read from a TOML file."""

import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, StringConstraints, ValidationError

from contracts.base.fields import Contract, Line150, Line250, TopicId
from contracts.errors import FieldError, Invalid, Unreadable, explain, field_error, join_path

UNIFIED_KINDS = ("portal", "vneid")
"""Where everything is found; the other kinds add to them."""
ChannelUrl = Annotated[
    str, StringConstraints(pattern=r"^(https?://[^\s\"<>/]+[^\s\"<>]*|/[^\s\"<>]*)?$")
]
Phone = Annotated[str, StringConstraints(pattern=r"^(\+?[0-9]+([ .-][0-9]+)*)?$", max_length=30)]
FILE_VARIABLE = "LOA_PORTAL_CHANNELS_FILE"


class PublicChannel(Contract):
    """One way in which the ministry reaches people."""

    name: Line150
    kind: Literal["portal", "vneid", "social", "app", "hotline", "mail", "feed", "other"]
    url: ChannelUrl = ""
    """An address, or a path on the portal; empty where a channel has none."""
    phone: Phone = ""
    """As people write it: `1900 0000`, `024 3456 7890`, `+84 24 3456 7890`."""
    about: Line250
    keeper: Annotated[str, StringConstraints(max_length=150)] = ""
    """The unit that answers for it."""
    shown: bool = True


class _RawList(Contract):
    channels: dict[TopicId, dict[str, Any]] = Field(default_factory=dict)


class _ChannelList(Contract):
    channels: dict[TopicId, PublicChannel]


def load_channels(own_toml: str = "") -> tuple[PublicChannel, ...]:
    """The shipped list with an operator's *own* entries (TOML) in it, field by field.

    Raises Unreadable or Invalid, naming the setting, the entry and the key.
    """
    try:
        entries = _entries(SHIPPED_TOML)
        for name, fields in _entries(own_toml).items():
            entries[name] = entries.get(name, {}) | fields
        every = _ChannelList.model_validate({"channels": entries}).channels.values()
    except tomllib.TOMLDecodeError as error:
        raise Unreadable(field_error(FILE_VARIABLE, "not_toml", detail=error)) from error
    except ValidationError as error:
        raise Invalid(*explain(error, FILE_VARIABLE)) from error
    return tuple(one for one in every if one.shown)


def tel_uri(phone: str) -> str:
    """The number as a link's address (RFC 3966)."""
    return "tel:" + "".join(one for one in phone if one.isdigit() or one == "+")


def _entries(text: str) -> dict[str, dict[str, Any]]:
    read = tomllib.loads(text)
    entries = _RawList.model_validate(read).channels
    strange = [*_unknown_keys("", read, _RawList)]
    for name, fields in entries.items():
        strange += _unknown_keys(f"channels.{name}", fields, PublicChannel)
    if strange:
        raise Invalid(*strange)
    return entries


def _unknown_keys(
    where: str, fields: Mapping[str, object], kind: type[Contract]
) -> Iterator[FieldError]:
    """Keys that mean nothing: a mistyped one would be left out without a word."""
    known = ", ".join(kind.model_fields)
    for key in fields:
        if key not in kind.model_fields:
            yield field_error(join_path(FILE_VARIABLE, where, key), "unknown_key", known=known)


SHIPPED_TOML = (Path(__file__).parent / "channels.toml").read_text("utf-8")
DEFAULT_CHANNELS = load_channels()
