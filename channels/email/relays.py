"""The relays that mail goes to: one by variables with a second one, or any number by a file."""

import tomllib
from pathlib import Path
from typing import Annotated, NamedTuple

from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationError, model_validator
from pydantic_core import PydanticCustomError

from channels.email.settings import EmailSettings, Tls, is_loopback
from contracts.base.fields import Id
from contracts.errors import FieldError, Invalid, explain, field_error, join_path

RELAYS_FILE = "LOA_EMAIL_RELAYS_FILE"
FIRST, SECOND = "first", "second"
"""The names of relays that variables set up."""
VARIABLES = {FIRST: "LOA_EMAIL_HOST", SECOND: "LOA_EMAIL_FALLBACK_HOST"}
URGENT_CONNECTIONS = 1
"""Connections for urgent mail alone, beside those for all."""


class Portion(NamedTuple):
    """One process's portion of limits that *of* processes share: the *number*th, from 0."""

    number: int = 0
    of: int = 1

    def part(self, limit: int) -> int:
        """Its part of *limit*, one at least; the parts of all are the whole."""
        return max((limit + self.of - 1 - self.number) // self.of, 1)


WHOLE = Portion()


class RelayEntry(BaseModel):
    """A relay in the file; limits are those of all processes together that send mail.

    `weight`: its share of the mail beside the others' weights; 0: a standby, used while every relay
    with a weight is away.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    host: Annotated[str, Field(min_length=1)]
    port: Annotated[int, Field(ge=1, le=65535)] = 587
    tls: Tls = Tls.STARTTLS
    username: str = ""
    password_file: Path | None = None
    ca_bundle: Path | None = None
    client_certificate: Path | None = None
    client_key: Path | None = None
    weight: Annotated[int, Field(ge=0, le=1000)] = 1
    connections: Annotated[int, Field(ge=1, le=64)] = 8
    mails_per_s: Annotated[float, Field(ge=1, le=100_000)] | None = None
    connections_per_domain: Annotated[int, Field(ge=1, le=64)] | None = None

    @model_validator(mode="after")
    def _check_protection(self) -> "RelayEntry":
        if self.tls is Tls.NONE and self.username and not is_loopback(self.host):
            raise PydanticCustomError("relay_clear_password", "password in the clear")
        if self.client_key and not self.client_certificate:
            raise PydanticCustomError("relay_key_alone", "client_key without client_certificate")
        return self


class RelaySettings(RelayEntry):
    """A relay as mail is sent to it: with its name, its password, and the usual return path."""

    name: str
    sender: str
    password: SecretStr = SecretStr("")

    @property
    def is_standby(self) -> bool:
        return self.weight == 0

    @property
    def has_limits(self) -> bool:
        """Whether not every mail may go as soon as a connection is free."""
        return self.mails_per_s is not None or self.connections_per_domain is not None

    def __str__(self) -> str:
        return f"{self.host}:{self.port} (tls: {self.tls})"


class _RelaysFile(BaseModel):
    model_config = ConfigDict(extra="forbid")

    relays: Annotated[dict[Id, RelayEntry], Field(min_length=1, max_length=16)]


def load_relays(settings: EmailSettings) -> tuple[RelaySettings, ...]:
    """All relays of *settings*, in their order; without a relay, none.

    Raises Invalid for a file, naming the relay and the key.
    """
    if settings.relays_file:
        entries = _read_file(settings.relays_file).relays
        return tuple(_with_password(name, one, settings) for name, one in entries.items())
    if not settings.host:
        return ()
    first = _from_variables(settings)
    if not settings.fallback_host:
        return (first,)
    names = ("host", "port", "tls", "username", "password")
    update = {name: getattr(settings, f"fallback_{name}") for name in names}
    return first, first.model_copy(update={**update, "name": SECOND, "weight": 0})


def describe_relays(settings: EmailSettings) -> str:
    """The relays in words: `the relay a:587 (tls: starttls), b:587 ..., else c:587 ...`."""
    relays = load_relays(settings)
    shared = ", ".join(str(relay) for relay in relays if not relay.is_standby)
    return "the relay " + ", else ".join([shared, *(str(one) for one in relays if one.is_standby)])


def _from_variables(settings: EmailSettings) -> RelaySettings:
    """The relay that LOA_EMAIL_HOST names."""
    names = ("sender", "host", "port", "tls", "username", "password")
    files = ("ca_bundle", "client_certificate", "client_key")
    given = {name: getattr(settings, name) for name in (*names, *files)}
    connections = settings.connections + URGENT_CONNECTIONS
    return RelaySettings.model_construct(name=FIRST, connections=connections, **given)


def _read_file(path: Path) -> _RelaysFile:
    try:
        return _RelaysFile.model_validate(tomllib.loads(path.read_text("utf-8")))
    except (OSError, UnicodeDecodeError) as error:
        raise _unread(RELAYS_FILE, error) from error
    except tomllib.TOMLDecodeError as error:
        raise Invalid(field_error(RELAYS_FILE, "not_toml", detail=error)) from error
    except ValidationError as error:
        faults, kinds = explain(error, RELAYS_FILE), (one["type"] for one in error.errors())
        raise Invalid(*map(_with_known_keys, faults, kinds)) from error


def _with_known_keys(fault: FieldError, kind: str) -> FieldError:
    """Add the known keys to the *fault* of an unknown key."""
    if kind != "extra_forbidden":
        return fault
    is_of_relay = fault.field.startswith(f"{RELAYS_FILE}.relays.")
    known = RelayEntry.model_fields if is_of_relay else _RelaysFile.model_fields
    return field_error(fault.field, "unknown_key", known=", ".join(known))


def _with_password(name: str, entry: RelayEntry, settings: EmailSettings) -> RelaySettings:
    """The relay, with what its password file says. Raises Invalid."""
    place = join_path(RELAYS_FILE, "relays", name, "password_file")
    given = entry.model_dump() | {"name": name, "sender": settings.sender}
    if not entry.username:
        return RelaySettings(**given)
    if not entry.password_file:
        raise Invalid(field_error(place, "relay_password_missing"))
    try:
        password = entry.password_file.read_text("utf-8").rstrip("\r\n")
    except (OSError, UnicodeDecodeError) as error:
        raise _unread(place, error) from error
    if not password:
        raise Invalid(field_error(place, "relay_password_missing"))
    return RelaySettings(**given, password=SecretStr(password))


def _unread(place: str, error: OSError | UnicodeDecodeError) -> Invalid:
    detail = error.strerror if isinstance(error, OSError) else "not UTF-8"
    return Invalid(field_error(place, "relay_file_unread", detail=detail))
