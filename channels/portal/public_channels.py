"""The list of the ministry's channels that the public is shown, read from a TOML file."""

import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, StringConstraints, ValidationError

from contracts.base import Contract, Line150, Line250, TopicId
from contracts.errors import FieldError, Invalid, Unreadable, explain, fault, join

UNIFIED = ("portal", "vneid")
"""Where everything is found; the other kinds add to them."""
Where = Annotated[
    str, StringConstraints(pattern=r"^(https?://[^\s\"<>/]+[^\s\"<>]*|/[^\s\"<>]*)?$")
]
Phone = Annotated[str, StringConstraints(pattern=r"^(\+?[0-9]+([ .-][0-9]+)*)?$", max_length=30)]
FILE = "LOA_PORTAL_CHANNELS_FILE"


class PublicChannel(Contract):
    """One way in which the ministry reaches people."""

    name: Line150
    kind: Literal["portal", "vneid", "social", "app", "hotline", "mail", "feed", "other"]
    url: Where = ""
    """An address, or a path on the portal; empty where a channel has none."""
    phone: Phone = ""
    """As people write it: `1900 0000`, `024 3456 7890`, `+84 24 3456 7890`."""
    about: Line250
    keeper: Annotated[str, StringConstraints(max_length=150)] = ""
    """The unit that answers for it."""
    shown: bool = True


class _Written(Contract):
    channels: dict[TopicId, dict[str, Any]] = Field(default_factory=dict)


class _Listed(Contract):
    channels: dict[TopicId, PublicChannel]


def listed(own: str = "") -> tuple[PublicChannel, ...]:
    """The shipped list with an operator's *own* entries (TOML) in it, field by field.

    Raises Unreadable or Invalid, naming the setting, the entry and the key.
    """
    try:
        entries = _entries(SHIPPED)
        for name, fields in _entries(own).items():
            entries[name] = entries.get(name, {}) | fields
        every = _Listed.model_validate({"channels": entries}).channels.values()
    except tomllib.TOMLDecodeError as error:
        raise Unreadable(fault(FILE, "not_toml", detail=error)) from error
    except ValidationError as error:
        raise Invalid(*explain(error, FILE)) from error
    return tuple(one for one in every if one.shown)


def telephone(phone: str) -> str:
    """The number as a link's address (RFC 3966)."""
    return "tel:" + "".join(one for one in phone if one.isdigit() or one == "+")


def _entries(text: str) -> dict[str, dict[str, Any]]:
    read = tomllib.loads(text)
    entries = _Written.model_validate(read).channels
    strange = [*_strange("", read, _Written)]
    for name, fields in entries.items():
        strange += _strange(f"channels.{name}", fields, PublicChannel)
    if strange:
        raise Invalid(*strange)
    return entries


def _strange(
    where: str, fields: Mapping[str, object], kind: type[Contract]
) -> Iterator[FieldError]:
    """Keys that mean nothing: a mistyped one would be left out without a word."""
    known = ", ".join(kind.model_fields)
    for key in fields:
        if key not in kind.model_fields:
            yield fault(join(FILE, where, key), "unknown_key", known=known)


SHIPPED = (Path(__file__).parent / "channels.toml").read_text("utf-8")
DEFAULT = listed()
