"""The rules of an ID token (OpenID Connect Core 3.1.3.7), each with the name of its breach."""

import hashlib
import hmac
from base64 import urlsafe_b64encode
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime

from consumers.staff.accounts import is_id
from consumers.staff.oidc.errors import OidcRefused, Reason
from consumers.staff.oidc.signature import Claims
from contracts import text
from contracts.base.addresses import is_mailable
from contracts.base.times import utc_time
from contracts.errors import printable

TYPES = ("jwt",)
SKEW_S = 30
"""How far the provider's clock may be from ours."""
MAX_AGE_S = 600
"""An older token is not the answer to a question of just now."""
_MAX_TIME = 1e11
_MAX_NAME = 150


@dataclass(frozen=True, slots=True)
class Expected:
    """The values that a token must have. `fresh_since`: the sign-in must be no older (step-up)."""

    issuer: str
    client_id: str
    now: float
    nonce: str = ""
    access_token: str = ""
    levels: frozenset[str] = frozenset()
    """The values of `acr` that mean two factors."""
    fresh_since: float | None = None


@dataclass(frozen=True, slots=True)
class Identity:
    """The person whom the provider vouches for. `second_factor`: when two factors were given."""

    issuer: str
    subject: str
    issued_at: float
    session_id: str = ""
    second_factor: datetime | None = None
    name: str = ""
    login: str = ""
    email: str = field(default="", repr=False)
    """The mail address, if the provider has verified it."""


Rules = Mapping[Reason, Callable[[Claims, Expected], bool]]


def read_time(claims: Claims, name: str) -> float | None:
    """A time claim; None if it is absent, no number or no possible time."""
    value = claims.get(name)
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < _MAX_TIME:
        return None
    return float(value)


def is_for_us(claims: Claims, expected: Expected) -> bool:
    """Whether the client is the only audience: tokens for others are not ours to take."""
    return claims.get("aud") in (expected.client_id, [expected.client_id])


def is_unexpired(claims: Claims, expected: Expected) -> bool:
    expires = read_time(claims, "exp")
    return expires is not None and expected.now < expires + SKEW_S


def is_recent(claims: Claims, expected: Expected) -> bool:
    issued = read_time(claims, "iat")
    return issued is not None and -SKEW_S <= expected.now - issued <= MAX_AGE_S


def is_begun(claims: Claims, expected: Expected) -> bool:
    start = read_time(claims, "nbf")
    return "nbf" not in claims or (start is not None and start <= expected.now + SKEW_S)


def _has_nonce(claims: Claims, expected: Expected) -> bool:
    given, wanted = claims.get("nonce"), expected.nonce.encode()
    if not isinstance(given, str) or not wanted:
        return False
    return hmac.compare_digest(given.encode("utf-8", "replace"), wanted)


def _has_access_token_hash(claims: Claims, expected: Expected) -> bool:
    """RS256 and ES256 both take the left half of SHA-256."""
    digest = hashlib.sha256(expected.access_token.encode()).digest()
    right = urlsafe_b64encode(digest[: len(digest) // 2]).rstrip(b"=").decode()
    return "at_hash" not in claims or claims["at_hash"] == right


def _is_fresh(claims: Claims, expected: Expected) -> bool:
    """A step-up takes a sign-in of just now; no sign-in lies in the future."""
    at = read_time(claims, "auth_time")
    if at is None:
        return "auth_time" not in claims and expected.fresh_since is None
    since = 0.0 if expected.fresh_since is None else expected.fresh_since - SKEW_S
    return since <= at <= expected.now + SKEW_S


def _has_two_factors(claims: Claims, expected: Expected) -> bool:
    level = claims.get("acr")
    return isinstance(level, str) and level in expected.levels


def _is_strong(claims: Claims, expected: Expected) -> bool:
    return expected.fresh_since is None or _has_two_factors(claims, expected)


_RULES: Rules = {
    Reason.ISSUER: lambda claims, expected: claims.get("iss") == expected.issuer,
    Reason.AUDIENCE: is_for_us,
    Reason.AUTHORIZED_PARTY: lambda claims, one: claims.get("azp", one.client_id) == one.client_id,
    Reason.SUBJECT: lambda claims, _: is_id(claims.get("sub")),
    Reason.EXPIRED: is_unexpired,
    Reason.ISSUED_AT: is_recent,
    Reason.NOT_YET_VALID: is_begun,
    Reason.NONCE: _has_nonce,
    Reason.ACCESS_TOKEN_HASH: _has_access_token_hash,
    Reason.AUTH_TIME: _is_fresh,
    Reason.AUTH_LEVEL: _is_strong,
    Reason.SESSION_ID: lambda claims, _: "sid" not in claims or is_id(claims["sid"]),
}


def enforce(rules: Rules, claims: Claims, expected: Expected) -> None:
    """Raise OidcRefused for the first rule that *claims* break."""
    for reason, is_met in rules.items():
        if not is_met(claims, expected):
            raise OidcRefused(reason)


def read_identity(claims: Claims, expected: Expected) -> Identity:
    """The person of an ID token whose signature was verified. Raises OidcRefused."""
    enforce(_RULES, claims, expected)
    at = read_time(claims, "auth_time")
    is_strong = _has_two_factors(claims, expected)
    return Identity(
        issuer=expected.issuer,
        subject=claims["sub"],
        issued_at=read_time(claims, "iat") or expected.now,
        session_id=claims.get("sid", ""),
        second_factor=utc_time(min(at, expected.now)) if at is not None and is_strong else None,
        name=_readable(claims.get("name")),
        login=_readable(claims.get("preferred_username")),
        email=_verified_address(claims),
    )


def _verified_address(claims: Claims) -> str:
    """The mail address that the provider has verified; empty for none that mail can be sent to."""
    address = claims.get("email")
    is_verified = claims.get("email_verified") is True
    return address if is_verified and isinstance(address, str) and is_mailable(address) else ""


def _readable(value: object) -> str:
    """A claim as text for people to look at: one bounded line, or nothing."""
    return printable(text.nfc(value[:_MAX_NAME]), _MAX_NAME) if isinstance(value, str) else ""
