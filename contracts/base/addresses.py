"""Addresses of persons, checked by their form alone."""

import re
from typing import Annotated, Any

from pydantic import BeforeValidator, Field, StringConstraints
from pydantic_core import PydanticCustomError

MAX_EMAIL_LENGTH = 254
MOBILE_PATTERN = r"^84[35789]\d{8}$"

_EMAIL = re.compile(r"[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]{1,64}@(?:[A-Za-z0-9-]+\.)+[A-Za-z0-9-]{2,63}")
_ATOM = r"[A-Za-z0-9#$&'*+/=?^_`{|}~-]+"  # without % and !, which some relays read as routes
_LABEL = r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
_MAILABLE = re.compile(rf"(?=.{{1,64}}@){_ATOM}(?:\.{_ATOM})*@{_LABEL}(?:\.{_LABEL})*")
_MOBILE = re.compile(r"(?:0|\+?84)([35789][0-9]{8})")


_GMAIL_DOMAINS = ("gmail.com", "googlemail.com")


def counted_mailbox(address: str) -> str:
    """The mailbox that mails to *address* are counted under; the address itself stays as it is.

    Case and what follows a `+` make no other mailbox, at Gmail dots and its two names neither.
    """
    name, _, domain = address.casefold().rpartition("@")
    name = name.partition("+")[0]
    if domain in _GMAIL_DOMAINS:
        return f"{name.replace('.', '')}@{_GMAIL_DOMAINS[0]}"
    return f"{name}@{domain}"


def is_mailable(value: str) -> bool:
    """Whether mail may be sent to *value*: plain ASCII, no quotes, routes, comments or literals.

    Checked when an address is entered, and again before each mail.
    """
    return len(value) <= MAX_EMAIL_LENGTH and _MAILABLE.fullmatch(value) is not None


def _as_email(value: Any) -> Any:
    if isinstance(value, str) and (len(value) > MAX_EMAIL_LENGTH or not _EMAIL.fullmatch(value)):
        raise PydanticCustomError("email", "not an address")
    return value


def _as_mobile(value: Any) -> Any:
    """The form Zalo takes: 84 and nine digits."""
    if not isinstance(value, str):
        return value
    match = _MOBILE.fullmatch(re.sub(r"[ .-]", "", value))
    if not match:
        raise PydanticCustomError("phone", "not a mobile number")
    return f"84{match[1]}"


Email = Annotated[
    str,
    BeforeValidator(_as_email),
    Field(json_schema_extra={"format": "email", "maxLength": MAX_EMAIL_LENGTH}),
]
Mobile = Annotated[
    str, BeforeValidator(_as_mobile), Field(json_schema_extra={"pattern": MOBILE_PATTERN})
]
ZaloUserId = Annotated[str, StringConstraints(pattern=r"^[0-9]{1,30}$")]
