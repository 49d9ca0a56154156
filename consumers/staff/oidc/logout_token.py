"""The rules of a logout token (OpenID Connect Back-Channel Logout 1.0, section 2.6)."""

from dataclasses import dataclass

from consumers.staff.accounts import is_id
from consumers.staff.oidc import id_token
from consumers.staff.oidc.errors import Reason
from consumers.staff.oidc.id_token import Expected, Rules
from consumers.staff.oidc.signature import Claims

TYPES = ("logout+jwt", "jwt")
_EVENT = "http://schemas.openid.net/event/backchannel-logout"


@dataclass(frozen=True, slots=True)
class EndedSession:
    """The session that the provider has ended; without `session_id` all of the person's."""

    issuer: str
    token_id: str
    issued_at: float
    subject: str = ""
    session_id: str = ""


def _is_event(claims: Claims, _: Expected) -> bool:
    events = claims.get("events")
    return isinstance(events, dict) and isinstance(events.get(_EVENT), dict)


def _names_session(claims: Claims, _: Expected) -> bool:
    named = [claims[name] for name in ("sub", "sid") if name in claims]
    return bool(named) and all(map(is_id, named))


def _is_unexpired(claims: Claims, expected: Expected) -> bool:
    """`exp` came late into the standard: without it the token's age counts."""
    return "exp" not in claims or id_token.is_unexpired(claims, expected)


_RULES: Rules = {
    Reason.ISSUER: lambda claims, expected: claims.get("iss") == expected.issuer,
    Reason.AUDIENCE: id_token.is_for_us,
    Reason.EXPIRED: _is_unexpired,
    Reason.ISSUED_AT: id_token.is_recent,
    Reason.NOT_YET_VALID: id_token.is_begun,
    Reason.EVENT: _is_event,
    Reason.NONCE: lambda claims, _: "nonce" not in claims,
    Reason.TOKEN_ID: lambda claims, _: is_id(claims.get("jti")),
    Reason.SESSION_ID: _names_session,
}


def read_ended_session(claims: Claims, expected: Expected) -> EndedSession:
    """The session of a logout token whose signature was verified. Raises OidcRefused."""
    id_token.enforce(_RULES, claims, expected)
    return EndedSession(
        issuer=expected.issuer,
        token_id=claims["jti"],
        issued_at=id_token.read_time(claims, "iat") or expected.now,
        subject=claims.get("sub", ""),
        session_id=claims.get("sid", ""),
    )
