"""The list of the ministry's channels that the public is shown, read from a TOML file."""

import tomllib
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, StringConstraints, ValidationError

from contracts.base import Contract, Line150, Line250, TopicId
from contracts.errors import Invalid, Unreadable, explain, fault

UNIFIED = ("portal", "vneid")
"""Where everything is found; the other kinds add to them."""
Where = Annotated[
    str, StringConstraints(pattern=r"^(https?://[^\s\"<>/]+[^\s\"<>]*|/[^\s\"<>]*)?$")
]


class PublicChannel(Contract):
    """One way in which the ministry reaches people."""

    name: Line150
    kind: Literal["portal", "vneid", "social", "app", "hotline", "mail", "feed", "other"]
    url: Where = ""
    """An address, or a path on the portal; empty where a channel has none."""
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

    Raises Unreadable or Invalid, naming the entry.
    """
    try:
        entries = _entries(SHIPPED)
        for name, fields in _entries(own).items():
            entries[name] = entries.get(name, {}) | fields
        every = _Listed.model_validate({"channels": entries}).channels.values()
    except tomllib.TOMLDecodeError as error:
        raise Unreadable(fault("channels", "not_toml", detail=error)) from error
    except ValidationError as error:
        raise Invalid(*explain(error)) from error
    return tuple(one for one in every if one.shown)


def _entries(text: str) -> dict[str, dict[str, Any]]:
    return _Written.model_validate(tomllib.loads(text)).channels


SHIPPED = (Path(__file__).parent / "channels.toml").read_text("utf-8")
DEFAULT = listed()
