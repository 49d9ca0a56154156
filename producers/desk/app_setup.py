"""Fields of forms that set a password and an authenticator app."""

import base64
from typing import Any
from urllib.parse import quote

from contracts.errors import FieldError, Invalid
from producers.desk.rendering import desk_texts
from producers.desk.visit import Visit

_ISSUER = "Loa"


def app_facts(visit: Visit, login: str) -> dict[str, Any]:
    """What a page shows for an authenticator app: the key as people type it, and as a link."""
    secret = base64.b32encode(visit.desk.services.staff.app_secret(visit.token)).decode()
    label = f"{_ISSUER}:{quote(login)}" if login else _ISSUER
    return {
        "app_key": " ".join(secret[at : at + 4] for at in range(0, len(secret), 4)),
        "app_link": f"otpauth://totp/{label}?secret={secret}&issuer={_ISSUER}",
    }


def new_password(visit: Visit) -> str:
    """The new password of a form. Raises Invalid when its two entries differ."""
    password = visit.value("new")
    if password == visit.value("again"):
        return password
    differ = desk_texts()["wrong"]["again"]
    raise Invalid(FieldError(field="again", message="the two entries differ", message_vi=differ))
