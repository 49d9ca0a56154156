"""Fields of forms that set a password and an authenticator app."""

from typing import Any

from contracts.errors import FieldError, Invalid
from contracts.staff.sign_in import setup_uri, text_secret
from producers.desk.rendering import desk_texts
from producers.desk.visit import Visit


def app_facts(visit: Visit, login: str) -> dict[str, Any]:
    """Values for an authenticator app: the key as people type it, and as a link."""
    secret = visit.desk.services.staff.app_secret(visit.token)
    key = text_secret(secret)
    return {
        "app_key": " ".join(key[at : at + 4] for at in range(0, len(key), 4)),
        "app_link": setup_uri(secret, login),
    }


def new_password(visit: Visit) -> str:
    """The new password of a form. Raises Invalid when its two entries differ."""
    password = visit.value("new")
    if password == visit.value("again"):
        return password
    differ = desk_texts()["wrong"]["again"]
    raise Invalid(FieldError(field="again", message="the two entries differ", message_vi=differ))
