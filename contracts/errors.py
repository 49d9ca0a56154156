"""What can be wrong with what somebody sends us, said by field, in English and Vietnamese.

    ContractError
      Unreadable         400  not JSON, not a CloudEvent
      Unauthorized       401  no key, or not one of ours
      Forbidden          403  the key is good, the deed is not allowed
      Conflict           409  the same id with another content
      TooLarge           413  over the size limits
      UnsupportedMedia   415  a content type we do not read
      Invalid            422  readable, and wrong: each error names its field
      RateLimited        429  too often; come back after `retry_after_s`
      Unavailable        503  our side; nothing was kept; come back after `retry_after_s`

The texts live in `messages.toml`, keyed by code. A broken rule is a `fault(field, code, ...)`.
"""

import tomllib
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any, ClassVar, Self

from pydantic import BaseModel, ConfigDict, ValidationError

WHOLE = "event"
"""The field named when an error concerns the event as a whole."""


class FieldError(BaseModel):
    """One thing that is wrong: where, and what, in both languages."""

    model_config = ConfigDict(frozen=True)

    field: str
    message: str
    message_vi: str

    def within(self, prefix: str) -> "FieldError":
        """The same error seen from outside: `title` within `data` is `data.title`."""
        field = prefix if self.field == WHOLE else join(prefix, self.field)
        return self.model_copy(update={"field": field})


class ContractError(Exception):
    """Something sent to us breaks the contract; `errors` has one entry at least."""

    code: ClassVar[str] = "invalid"
    status: ClassVar[int] = 422

    def __init__(self, *errors: FieldError, retry_after_s: float | None = None) -> None:
        super().__init__(*errors)
        self.errors: tuple[FieldError, ...] = errors
        self.retry_after_s = retry_after_s

    def __str__(self) -> str:
        return "; ".join(f"{error.field}: {error.message}" for error in self.errors)

    def within(self, prefix: str) -> Self:
        """The same error, its fields seen from outside (an event of a batch: `[3]`)."""
        errors = (error.within(prefix) for error in self.errors)
        return type(self)(*errors, retry_after_s=self.retry_after_s)


class Unreadable(ContractError):
    code = "unreadable"
    status = 400


class Unauthorized(ContractError):
    code = "unauthorized"
    status = 401


class Forbidden(ContractError):
    code = "forbidden"
    status = 403


class Conflict(ContractError):
    code = "conflict"
    status = 409


class TooLarge(ContractError):
    code = "too_large"
    status = 413


class UnsupportedMedia(ContractError):
    code = "unsupported_media"
    status = 415


class Invalid(ContractError):
    code = "invalid"
    status = 422


class RateLimited(ContractError):
    code = "rate_limited"
    status = 429


class Unavailable(ContractError):
    code = "unavailable"
    status = 503


@cache
def messages() -> dict[str, dict[str, str]]:
    """Every error text: code → {en, vi}."""
    return tomllib.loads((Path(__file__).parent / "messages.toml").read_text("utf-8"))


def fault(field: str, code: str, **values: object) -> FieldError:
    """Say what is wrong with *field*. Raises KeyError for a code that has no text."""
    return worded(field, messages()[code], **values)


def worded(field: str, texts: Mapping[str, str], **values: object) -> FieldError:
    """As `fault`, from a text ({en, vi}) of another catalogue."""
    shown = {name: _shown(value) for name, value in values.items()}
    return FieldError(
        field=field,
        message=texts["en"].format(**shown),
        message_vi=texts["vi"].format(**shown),
    )


def explain(error: ValidationError, prefix: str = "") -> tuple[FieldError, ...]:
    """Say a pydantic error in our words: one entry per field, in the order of the model."""
    details = error.errors(include_url=False, include_input=False)
    return tuple(_fault_of(detail, prefix) for detail in details)


def join(*parts: str | int) -> str:
    """A field's path: `data.links.0.url`; a leading number is an event of a batch: `[3].data`."""
    named = [part for part in parts if part != ""]
    if named and isinstance(named[0], int):
        named[0] = f"[{named[0]}]"
    return ".".join(map(str, named))


def _fault_of(detail: Mapping[str, Any], prefix: str) -> FieldError:
    field = join(prefix, *(part for part in detail["loc"] if part != "[key]")) or WHOLE
    code = detail["type"] if detail["type"] in messages() else "unexpected"
    values = dict(detail.get("ctx", {}))
    if "expected" in values:  # pydantic joins the choices in English
        values["expected"] = values["expected"].replace(" or ", ", ").replace("'", "")
    return fault(field, code, **values)


def _shown(value: object, longest: int = 100) -> str:
    """A value as an error text may show it: bounded, nothing hidden, no line breaks."""
    text = str(value)
    visible = "".join(c if c.isprintable() else f"U+{ord(c):04X}" for c in text[: longest + 1])
    return visible if len(text) <= longest else visible[:longest] + "…"
